import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addStream,
  addTask,
  busySeconds,
  createGraph,
  criticalPath,
  type Graph,
  play,
} from '../../src/simulate/engine.ts';
import { chromeTrace } from '../../src/simulate/trace.ts';

/** Graphs of tasks on a few streams, each waiting for some earlier ones, at its start or at its end. */
const graphs = fc
  .array(
    fc.record({
      stream: fc.integer({ min: -1, max: 3 }),
      duration: fc.integer({ min: 0, max: 9 }),
      after: fc.array(fc.nat(1000), { maxLength: 3 }),
      endAfter: fc.array(fc.nat(1000), { maxLength: 2 }),
      tail: fc.nat(3),
    }),
    { minLength: 1, maxLength: 60 },
  )
  .map((tasks) => {
    const graph = createGraph();
    for (let stream = 0; stream < 4; stream++) addStream(graph, `${stream}`);
    tasks.forEach((task, at) => {
      const earlier = (list: number[]): number[] => (at === 0 ? [] : list.map((other) => other % at));
      addTask(graph, { ...task, kind: `kind ${at % 3}`, after: earlier(task.after), endAfter: earlier(task.endAfter) });
    });
    return graph;
  });

/** The longest way to each end, by definition: every wait is an edge. */
function longestWay(graph: Graph): number[] {
  const ends: number[] = [];
  const last = new Map<number, number>();
  graph.kind.forEach((_, task) => {
    const stream = graph.stream[task]!;
    const starts = [
      0,
      ...graph.startsAfter[task]!.map((other) => ends[other]!),
      stream < 0 ? 0 : (last.get(stream) ?? 0),
    ];
    const own = Math.max(...starts) + graph.duration[task]!;
    ends.push(Math.max(own, ...graph.endsAfter[task]!.map((other) => ends[other]! + graph.tail[task]!)));
    last.set(stream, ends[task]!);
  });
  return ends;
}

describe('playing a graph', () => {
  it('never runs two tasks of a stream at once, nor one before what it waits for', () => {
    fc.assert(
      fc.property(graphs, (graph) => {
        const { start, end } = play(graph);
        const last = new Map<number, number>();
        graph.kind.forEach((_, task) => {
          expect(end[task]! - start[task]!).toBeGreaterThanOrEqual(graph.duration[task]!);
          for (const other of graph.startsAfter[task]!) expect(start[task]).toBeGreaterThanOrEqual(end[other]!);
          for (const other of graph.endsAfter[task]!)
            expect(end[task]).toBeGreaterThanOrEqual(end[other]! + graph.tail[task]!);
          const stream = graph.stream[task]!;
          if (stream < 0) return;
          expect(start[task]).toBeGreaterThanOrEqual(last.get(stream) ?? 0);
          last.set(stream, end[task]!);
        });
      }),
    );
  });

  it('ends when the longest chain of waits does: not later, and above every lower bound', () => {
    fc.assert(
      fc.property(graphs, (graph) => {
        const timeline = play(graph);
        expect(Array.from(timeline.end)).toEqual(longestWay(graph));
        expect(timeline.makespan).toBe(Math.max(...longestWay(graph)));
        const work = new Array<number>(4).fill(0);
        graph.stream.forEach((stream, task) => {
          if (stream >= 0) work[stream]! += graph.duration[task]!;
        });
        busySeconds(graph, timeline).forEach((busy, stream) => {
          expect(busy).toBeGreaterThanOrEqual(work[stream]!);
          expect(busy).toBeLessThanOrEqual(timeline.makespan);
        });
      }),
    );
  });

  it('names a chain that accounts for the whole makespan', () => {
    fc.assert(
      fc.property(graphs, (graph) => {
        const timeline = play(graph);
        const shares = Array.from(criticalPath(graph, timeline).values());
        for (const share of shares) expect(share).toBeGreaterThanOrEqual(0);
        expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(timeline.makespan, 9);
      }),
    );
  });

  it('gives the same timeline every time', () => {
    fc.assert(
      fc.property(graphs, (graph) => {
        expect(play(graph)).toEqual(play(graph));
      }),
      { numRuns: 20 },
    );
  });

  it('refuses durations that are no time, and waits for what comes later', () => {
    const graph = createGraph();
    expect(() => addTask(graph, { kind: 'a', duration: Number.NaN })).toThrow(/task a would take NaN s/);
    expect(() => addTask(graph, { kind: 'a', duration: Number.POSITIVE_INFINITY })).toThrow(/Infinity/);
    addTask(graph, { kind: 'b', duration: 1, after: [1] });
    addTask(graph, { kind: 'c', duration: 1 });
    expect(() => play(graph)).toThrow(/task 0 \(b\) waits for task 1/);
  });
});

describe('the Chrome trace', () => {
  it('has every task of the chosen streams with its time in microseconds, and nothing else', () => {
    const graph = createGraph();
    const [a, b] = [addStream(graph, 'a'), addStream(graph, 'b')];
    const first = addTask(graph, { kind: 'x', stream: a, duration: 2e-6 });
    addTask(graph, { kind: 'y', stream: a, duration: 3e-6, after: [first], micro: 1 });
    addTask(graph, { kind: 'z', stream: b, duration: 1 });
    const { traceEvents } = chromeTrace(graph, play(graph), [{ stream: a, process: 7, name: 'compute' }]);
    expect(traceEvents).toEqual([
      { ph: 'M', name: 'process_name', pid: 7, args: { name: 'GPU 7' } },
      { ph: 'M', name: 'thread_name', pid: 7, tid: a, args: { name: 'compute' } },
      { ph: 'X', name: 'x', cat: 'x', pid: 7, tid: a, ts: 0, dur: 2, args: { microBatch: 0 } },
      { ph: 'X', name: 'y', cat: 'y', pid: 7, tid: a, ts: 2, dur: 3, args: { microBatch: 1 } },
    ]);
  });
});
