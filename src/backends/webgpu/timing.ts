import type { OwnedGpu } from './device.ts';
import type { Dispatch, Gpu, GpuWords } from './gpu.ts';

/** How long is measured. */
export interface BenchOptions {
  /** Batches timed of each dispatch. */
  readonly samples: number;
  /** Milliseconds a batch lasts at least: timers and submission cost little beside it. */
  readonly batch: number;
}

/** Milliseconds of one of several equal things. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly samples: number;
}

/** Median, least and largest of some times. */
export function spreadOf(times: readonly number[]): Spread {
  const sorted = [...times].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)!, samples: sorted.length };
}

/** A Gpu that remembers what was dispatched and keeps its buffers. */
export function recorder(gpu: OwnedGpu): { gpu: Gpu; dispatches: Dispatch[] } {
  const dispatches: Dispatch[] = [];
  const recording: Gpu = {
    limits: gpu.limits,
    variants: gpu.variants,
    has: (feature) => gpu.has(feature),
    upload: (lanes) => gpu.upload(lanes),
    allocate: (words, fill) => gpu.allocate(words, fill),
    dispatch: (dispatch) => {
      dispatches.push(dispatch);
      gpu.dispatch(dispatch);
    },
    read: (buffer: GpuWords) => gpu.read(buffer),
    release: () => undefined,
  };
  return { gpu: recording, dispatches };
}

/** How long something took, each time, and how many were in a batch. */
export interface Timed {
  readonly time: Spread;
  readonly batch: number;
}

/**
 * Times runs of dispatches against each other: two unmeasured ones of each, then in every round one batch of each, long enough for the
 * timer, so that a busy moment of the machine hits all of them. Repeating dispatches may leave other values in their buffers than a run does;
 * results are verified before anything is timed.
 */
export async function timeInRounds(
  gpu: OwnedGpu,
  runs: readonly (readonly Dispatch[])[],
  options: BenchOptions,
): Promise<readonly Timed[]> {
  const batches: number[] = [];
  for (const run of runs) {
    await gpu.time(run, 1);
    const once = await gpu.time(run, 1);
    batches.push(Math.max(1, Math.min(Math.ceil(options.batch / Math.max(once, 0.01)), 1000)));
  }
  const times: number[][] = runs.map(() => []);
  for (let round = 0; round < options.samples; round++) {
    for (const [i, run] of runs.entries()) times[i]!.push((await gpu.time(run, batches[i]!)) / batches[i]!);
  }
  return runs.map((_, i) => ({ time: spreadOf(times[i]!), batch: batches[i]! }));
}
