import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runCli } from '../../src/cli/run-cli.ts';
import { deploymentView, scenarioOf } from '../../src/playground/pages/deployment/model.ts';
import {
  type Block,
  blockText,
  bytesText,
  commandOf,
  redundantFor,
  redundantSteps,
  type Settings,
  timeText,
} from '../../src/playground/pages/deployment/view.ts';
import { moved, showing, ticksOf, within, zoomed } from '../../src/playground/pages/deployment/window.ts';
import { deepseekV3 } from '../../src/simulate/model.ts';
import { pipelineSchedules } from '../../src/simulate/names.ts';
import { simulatePipeline } from '../../src/simulate/pipeline.ts';
import { prepare } from '../../src/simulate/scenario.ts';

const sheet = readFileSync('src/playground/pages/deployment/deployment.css', 'utf8');

const settings: Settings = {
  hardware: 'h800',
  phase: 'prefill',
  nodes: 2,
  tokens: 128,
  context: 1024,
  sms: 12,
  overlap: true,
  redundant: 16,
  limit: 3,
  skew: 5,
  drift: 2,
  schedule: 'ZB1P',
  stages: 4,
  micros: 8,
};

async function printed(command: string): Promise<Record<string, unknown>> {
  let out = '';
  const words = command
    .replace('npx fp8lab ', '')
    .replace(/ --gantt.*/, ' --json')
    .split(' ');
  const io = { isTTY: false, env: {}, signal: new AbortController().signal, stderr: () => {} };
  const stdout = (text: string) => {
    out += text;
  };
  expect((await runCli(words, { ...io, stdout })).code).toBe(0);
  return JSON.parse(out);
}

it('every number of nodes that can be chosen has redundant experts with which it can be simulated', () => {
  for (let nodes = 1; nodes <= 40; nodes++) {
    const { least, step } = redundantSteps(nodes);
    expect(redundantFor(nodes, least + step)).toBe(least + step);
    expect(redundantFor(nodes, 1)).toBe(nodes === 1 ? 1 : least);
    expect(Math.ceil((deepseekV3.experts + least) / (8 * nodes)) * 8 * nodes).toBe(deepseekV3.experts + least);
  }
  for (const nodes of [3, 4]) {
    const { least, step } = redundantSteps(nodes);
    const redundant = least + step;
    expect(prepare(scenarioOf({ ...settings, nodes, tokens: 32, redundant })).layers.length).toBeGreaterThan(0);
  }
});

describe('a deployment on the page', () => {
  it.each([
    { phase: 'prefill' as const },
    { phase: 'decode' as const, overlap: false, hardware: 'h200' as const },
    { phase: 'training' as const, skew: 0, drift: 0 },
  ])('has the numbers that its command prints: %j', async (change) => {
    const chosen = { ...settings, ...change };
    const { result, pipeline } = deploymentView(chosen);
    const json = await printed(commandOf(chosen));
    expect(json).toMatchObject(JSON.parse(JSON.stringify(result)));
    if (pipeline === undefined) return;
    const { seconds, bubble, tokensPerSecondPerGpu } = pipeline;
    expect(json.training).toMatchObject({ seconds, bubble, tokensPerSecondPerGpu, schedule: 'ZB1P' });
  });

  it('shows each stream without overlap and each port within what it can carry, layer by layer', () => {
    for (const phase of ['prefill', 'decode', 'training'] as const) {
      const { timeline, layers, result } = deploymentView({ ...settings, phase });
      const { lanes, blocks, seconds } = timeline;
      expect(seconds).toBe(result.seconds);
      lanes.forEach((lane, i) => {
        const own = blocks.filter((block) => block.lane === i);
        expect(own.length).toBeGreaterThan(0);
        for (const { kind } of own) expect(sheet).toContain(`--op-${kind.toLowerCase().replaceAll(' ', '-')}:`);
        own.reduce<Block | undefined>((before, block) => {
          expect(block.start).toBeGreaterThanOrEqual(before?.end ?? 0);
          return block;
        }, undefined);
        for (const { share, bytes, layer } of own) {
          expect(layer).toBeLessThan(layers);
          if (!lane.link) continue;
          expect(bytes).toBeGreaterThan(0);
          expect(share).toBeLessThanOrEqual(1 + 1e-9);
        }
      });
      const experts = blocks.filter(({ kind, lane, micro }) => kind === 'experts' && lane === 0 && micro === 0);
      const first = phase === 'training' ? 0 : 3;
      expect(experts.map(({ layer }) => layer)).toEqual(Array.from({ length: layers - first }, (_, i) => first + i));
    }
  });

  it('has a colour for every kind of a pipeline too', () => {
    for (const schedule of pipelineSchedules) {
      const chunks = { forward: 1, backward: 2, weights: 1, stages: 4, microBatches: 8 };
      for (const kind of simulatePipeline({ schedule, ...chunks }).graph.kind)
        expect(sheet).toContain(`--op-${kind.replaceAll(' ', '-')}:`);
    }
  });

  it('gives a trace of the same operations', () => {
    const { trace, timeline } = deploymentView(settings);
    const tasks = trace.traceEvents.filter(({ ph }) => ph === 'X');
    expect(tasks).toHaveLength(timeline.blocks.filter(({ lane }) => !timeline.lanes[lane]!.link).length);
  });

  it('says an operation with its numbers', () => {
    const lane = { name: 'GPU 0, IB, sending', note: 'network card', link: true };
    const block = { lane: 0, kind: 'dispatch', micro: 1, layer: 4, start: 0.001, end: 0.003, bytes: 5e7, share: 0.5 };
    expect(blockText(block, lane, 'prefill')).toBe(
      'GPU 0, IB, sending (network card): dispatch, layer 5, micro-batch 2, 2.00 ms from 1.00 ms to 3.00 ms; 50.00 MB at 25.00 GB/s, 50 % of the port',
    );
    expect(blockText(block, lane, 'training')).toContain('layer 5, backward');
    expect([timeText(2), timeText(4e-6), bytesText(0), bytesText(1.5e12)]).toEqual([
      '2.000 s',
      '4.0 µs',
      '0 B',
      '1.50 TB',
    ]);
  });
});

const windows = fc
  .record({
    whole: fc.double({ min: 1e-3, max: 1e3, noNaN: true }),
    from: fc.double({ min: 0, max: 1, noNaN: true }),
    span: fc.double({ min: 1e-3, max: 1, noNaN: true }),
    factor: fc.double({ min: 0.1, max: 10, noNaN: true }),
    at: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ whole, from, span, ...rest }) => ({ whole, window: within(from * whole, span * whole, whole), ...rest }));

describe('what is in sight', () => {
  it('stays inside the whole, whatever is done to it', () => {
    fc.assert(
      fc.property(windows, ({ whole, window, factor, at }) => {
        const inside = [zoomed(window, factor, at * whole, whole), moved(window, factor - 5, whole)];
        for (const { from, to } of inside) {
          expect(from).toBeGreaterThanOrEqual(0);
          expect(to).toBeLessThanOrEqual(whole * (1 + 1e-12));
          expect(to).toBeGreaterThan(from);
        }
      }),
    );
  });

  it('zooms around the time under the pointer', () => {
    fc.assert(
      fc.property(windows, ({ whole, window, at }) => {
        const time = window.from + at * (window.to - window.from);
        const { from, to } = zoomed(window, 2, time, whole);
        if (to - from < (window.to - window.from) / 1.99) expect((time - from) / (to - from)).toBeCloseTo(at, 6);
      }),
    );
  });

  it('comes to an operation that is walked to, and stays where that is in sight', () => {
    const window = { from: 2, to: 4 };
    expect(showing(window, 2.5, 3, 10)).toBe(window);
    expect(showing(window, 7, 8, 10)).toEqual({ from: 6.5, to: 8.5 });
    expect(showing(window, 1, 7, 10)).toEqual({ from: 0, to: 9 });
  });

  it('has round times on its axis', () => {
    const ticks = ticksOf({ from: 0.00123, to: 0.00198 }, 6);
    expect(ticks.length).toBeGreaterThan(2);
    for (const tick of ticks) expect(Math.abs(tick * 1e4 - Math.round(tick * 1e4))).toBeLessThan(1e-6);
  });
});
