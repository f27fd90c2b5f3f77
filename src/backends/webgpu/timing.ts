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

/**
 * Times dispatches, one after the other in one submission: two unmeasured ones, then batches long enough for the timer.
 * Repeating them may leave other values in their buffers than a run does; results are verified before anything is timed.
 */
export async function timeDispatches(
  gpu: OwnedGpu,
  dispatches: readonly Dispatch[],
  options: BenchOptions,
): Promise<{ time: Spread; batch: number }> {
  await gpu.time(dispatches, 1);
  const once = await gpu.time(dispatches, 1);
  const batch = Math.max(1, Math.min(Math.ceil(options.batch / Math.max(once, 0.01)), 1000));
  const times: number[] = [];
  for (let i = 0; i < options.samples; i++) times.push((await gpu.time(dispatches, batch)) / batch);
  return { time: spreadOf(times), batch };
}
