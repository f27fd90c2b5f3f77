import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { busySeconds } from '../../src/simulate/engine.ts';
import { pipelineSchedules } from '../../src/simulate/names.ts';
import { bubbleFormula, type Pipeline, pipelineMemory, simulatePipeline } from '../../src/simulate/pipeline.ts';

const duration = fc.double({ min: 0.1, max: 10, noNaN: true });

describe('bubbles of pipeline schedules', () => {
  it('are those of table 2 in the V3 report', () => {
    const times = { forward: 3, backward: 7, weights: 2, overlapped: 9, microBatches: 32, stages: 16 };
    const formula = (schedule: Pipeline['schedule']): number => bubbleFormula({ ...times, schedule });
    expect(formula('1F1B')).toBe(15 * (3 + 7));
    expect(formula('ZB1P')).toBe(15 * (3 + 7 - 2 * 2));
    expect(formula('DualPipe')).toBe(7 * (9 + 7 - 3 * 2));
    expect(formula('DualPipeV')).toBe(formula('DualPipe'));
  });

  it.each(['1F1B', 'ZB1P'] as const)(
    '%s: every device idles as long as the formula says, whatever the durations',
    (schedule) => {
      const pipelines = fc.record({
        stages: fc.integer({ min: 2, max: 10 }),
        extra: fc.nat(12),
        forward: duration,
        inputs: duration,
        weights: duration,
      });
      fc.assert(
        fc.property(pipelines, ({ stages, extra, forward, inputs, weights }) => {
          // Zero-bubble schedules presume that no kind takes much longer than the others; the formula's own condition is that weights fill the gaps.
          const capped = schedule === 'ZB1P' ? Math.min(weights, forward, inputs) : weights;
          const pipeline = {
            schedule,
            stages,
            microBatches: 2 * stages + extra,
            forward,
            backward: inputs + capped,
            weights: capped,
          };
          const { bubbles } = simulatePipeline(pipeline);
          for (const bubble of bubbles) expect(bubble).toBeCloseTo(bubbleFormula(pipeline), 6);
        }),
        { numRuns: 150 },
      );
    },
  );

  it.each(['DualPipe', 'DualPipeV'] as const)(
    '%s: exactly the formula where forward, both halves of backward and overlap fit together',
    (schedule) => {
      for (const stages of [4, 8, 16]) {
        for (const unit of [1, 0.25, 3]) {
          const pipeline = {
            schedule,
            stages,
            microBatches: 2 * stages + 4,
            forward: unit,
            backward: 2 * unit,
            weights: unit,
            overlapped: 3 * unit,
          };
          const { bubbles } = simulatePipeline(pipeline);
          expect(bubbles).toHaveLength(pipelineMemory(pipeline).devices);
          for (const bubble of bubbles) expect(bubble).toBe(bubbleFormula(pipeline));
        }
      }
    },
  );

  it('DualPipe: with a cheaper overlap or cheaper weights no device idles longer than the formula', () => {
    for (const [weights, overlapped] of [
      [0.8, 2.6],
      [0.7, 2.2],
      [0.9, 3],
    ] as const) {
      const pipeline = {
        schedule: 'DualPipe',
        stages: 8,
        microBatches: 20,
        forward: 1,
        backward: 2,
        weights,
        overlapped,
      } as const;
      expect(Math.max(...simulatePipeline(pipeline).bubbles)).toBeLessThanOrEqual(bubbleFormula(pipeline) + 1e-9);
    }
  });

  it('do all the work of every micro-batch, once', () => {
    for (const schedule of pipelineSchedules) {
      const pipeline = { schedule, stages: 4, microBatches: 12, forward: 1, backward: 2, weights: 1 };
      const { graph, timeline } = simulatePipeline(pipeline);
      const work = busySeconds(graph, timeline).reduce((sum, busy) => sum + busy, 0);
      expect(work).toBe(12 * 4 * 3);
    }
  });

  it.each([
    [{ stages: 1 }, /stages is 1/],
    [{ schedule: 'DualPipe', stages: 5 }, /5 stages and 12 micro-batches/],
    [{ schedule: 'DualPipe', microBatches: 6 }, /6 micro-batches do not fill 4 stages/],
    [{ forward: 0 }, /forward takes 0/],
    [{ weights: 2 }, /weights takes 2 of a backward of 2/],
    [{ overlapped: Number.NaN }, /overlapped takes NaN/],
  ] as [Partial<Pipeline>, RegExp][])('refuse %j with the numbers', (change, message) => {
    const pipeline: Pipeline = { schedule: '1F1B', stages: 4, microBatches: 12, forward: 1, backward: 2, weights: 1 };
    expect(() => simulatePipeline({ ...pipeline, ...change })).toThrow(message);
  });
});
