import type { Graph, Timeline } from './engine.ts';

/** A file of the Chrome trace format, which Perfetto and chrome://tracing open. */
export interface ChromeTrace {
  readonly displayTimeUnit: 'ms';
  readonly traceEvents: readonly Readonly<Record<string, unknown>>[];
}

/**
 * A timeline in the Chrome trace format: a process a lane group, a thread a stream, times in microseconds.
 * @param lanes streams to write, with the process (the GPU) and the name of each
 */
export function chromeTrace(
  graph: Graph,
  { start, end }: Timeline,
  lanes: readonly { readonly stream: number; readonly process: number; readonly name: string }[],
): ChromeTrace {
  const names = lanes.map(({ stream, process, name }) => ({
    ph: 'M',
    name: 'thread_name',
    pid: process,
    tid: stream,
    args: { name },
  }));
  const processes = new Map(lanes.map(({ stream, process }) => [stream, process]));
  const groups = Array.from(new Set(processes.values()), (pid) => ({
    ph: 'M',
    name: 'process_name',
    pid,
    args: { name: `GPU ${pid}` },
  }));
  const events = graph.stream.flatMap((stream, task) => {
    const pid = processes.get(stream);
    if (pid === undefined || end[task] === start[task]) return [];
    // To the nanosecond: the rest is rounding of sums.
    const microseconds = (seconds: number): number => Math.round(seconds * 1e9) / 1e3;
    const [ts, dur] = [microseconds(start[task]!), microseconds(end[task]! - start[task]!)];
    return [
      {
        ph: 'X',
        name: graph.kind[task],
        cat: graph.kind[task],
        pid,
        tid: stream,
        ts,
        dur,
        args: { microBatch: graph.micro[task] },
      },
    ];
  });
  return { displayTimeUnit: 'ms', traceEvents: [...groups, ...names, ...events] };
}
