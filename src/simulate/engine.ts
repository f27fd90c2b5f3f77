import { inputError } from '../errors.ts';

/**
 * A discrete-event simulation of tasks on streams. A stream runs its tasks one at a time, in the order in which they were added, as a CUDA stream does. A task
 * starts when its stream is free and what it waits for has ended; it ends when its own duration is over and what its end waits for has ended too (a receive
 * cannot end before the send does). Everything is decided by times and the order of adding: the same graph gives the same result.
 */
export interface Graph {
  /** Names of the streams. */
  readonly streams: string[];
  /** [task]: what it is. */
  readonly kind: string[];
  readonly stream: number[];
  readonly duration: number[];
  /** [task]: the tasks that must have ended before it starts, and before it ends. */
  readonly startsAfter: number[][];
  readonly endsAfter: number[][];
  /** [task]: seconds between the end of what its end waits for and its own end at the earliest. */
  readonly tail: number[];
  /** [task]: the micro-batch it belongs to, from 0. */
  readonly micro: number[];
}

/** A graph with no tasks. */
export function createGraph(): Graph {
  return { streams: [], kind: [], stream: [], duration: [], startsAfter: [], endsAfter: [], tail: [], micro: [] };
}

/** Adds a stream; returns its index. */
export function addStream(graph: Graph, name: string): number {
  return graph.streams.push(name) - 1;
}

/** A task to add. Tasks without a stream run as soon as they can. */
export interface NewTask {
  readonly kind: string;
  readonly stream?: number;
  /** Seconds. */
  readonly duration: number;
  readonly after?: readonly (number | undefined)[];
  readonly endAfter?: readonly (number | undefined)[];
  readonly tail?: number;
  readonly micro?: number;
}

/** What most tasks wait for at their end; shared, so that large graphs are not mostly empty lists. */
const nothing: number[] = [];

/** Adds a task; returns its index. What it waits for must have been added. */
export function addTask(graph: Graph, task: NewTask, micro = task.micro ?? 0): number {
  const { kind, duration } = task;
  if (!(duration >= 0) || duration === Number.POSITIVE_INFINITY) {
    const fix = 'durations are finite and not negative; look for a bandwidth or a rate of zero';
    throw inputError(`task ${kind} would take ${duration} s`, 'bad-duration', kind, fix);
  }
  graph.kind.push(kind);
  graph.stream.push(task.stream ?? -1);
  graph.duration.push(duration);
  graph.startsAfter.push(present(task.after));
  graph.endsAfter.push(present(task.endAfter));
  graph.micro.push(micro);
  return graph.tail.push(task.tail ?? 0) - 1;
}

function present(list: readonly (number | undefined)[] | undefined): number[] {
  if (list === undefined || (list.length === 1 && list[0] === undefined)) return nothing;
  return list.includes(undefined) ? list.filter((task) => task !== undefined) : (list as number[]);
}

/** When each task ran. */
export interface Timeline {
  /** [task]: seconds. */
  readonly start: Float64Array;
  readonly end: Float64Array;
  /** [task]: the task whose end decided its start or, where its end had to wait, its end; -1 for none. */
  readonly cause: Int32Array;
  /** The end of the last task. */
  readonly makespan: number;
}

/**
 * Plays a graph. Tasks of a stream are in order and every task waits only for earlier ones, so tasks can be settled in the order of adding, each in time
 * proportional to what it waits for: no event queue, and linear in the size of the graph.
 */
export function play(graph: Graph): Timeline {
  const count = graph.kind.length;
  const start = new Float64Array(count);
  const end = new Float64Array(count);
  const cause = new Int32Array(count).fill(-1);
  const last = new Int32Array(graph.streams.length).fill(-1);
  let makespan = 0;
  for (let task = 0; task < count; task++) {
    const stream = graph.stream[task]!;
    const latest = (from: number, other: number): number => (end[other]! > from ? other : -1);
    if (stream >= 0 && last[stream]! >= 0) {
      start[task] = end[last[stream]!]!;
      cause[task] = last[stream]!;
    }
    for (const other of graph.startsAfter[task]!) {
      requireEarlier(graph, task, other);
      if (latest(start[task]!, other) >= 0) {
        start[task] = end[other]!;
        cause[task] = other;
      }
    }
    end[task] = start[task]! + graph.duration[task]!;
    for (const other of graph.endsAfter[task]!) {
      requireEarlier(graph, task, other);
      if (end[other]! + graph.tail[task]! > end[task]!) {
        end[task] = end[other]! + graph.tail[task]!;
        cause[task] = other;
      }
    }
    if (stream >= 0) last[stream] = task;
    makespan = Math.max(makespan, end[task]!);
  }
  return { start, end, cause, makespan };
}

function requireEarlier(graph: Graph, task: number, other: number): void {
  if (other < task) return;
  const problem = `task ${task} (${graph.kind[task]}) waits for task ${other}, which comes later`;
  throw inputError(problem, 'circular-wait', graph.kind[task]!, 'add tasks after what they wait for');
}

/** Seconds of each kind along the chain of tasks that decides the makespan. */
export function criticalPath(graph: Graph, timeline: Timeline): Map<string, number> {
  const share = new Map<string, number>();
  let task = timeline.end.indexOf(timeline.makespan);
  let until = timeline.makespan;
  while (task >= 0) {
    const { [task]: cause = -1 } = timeline.cause;
    const from = cause < 0 ? 0 : Math.min(until, timeline.end[cause]!);
    share.set(graph.kind[task]!, (share.get(graph.kind[task]!) ?? 0) + until - from);
    until = from;
    task = cause;
  }
  return share;
}

/** [stream]: seconds in which it ran a task. */
export function busySeconds(graph: Graph, { start, end }: Timeline): Float64Array {
  const busy = new Float64Array(graph.streams.length);
  graph.stream.forEach((stream, task) => {
    if (stream >= 0) busy[stream]! += end[task]! - start[task]!;
  });
  return busy;
}
