import type { Elapsed, OwnedGpu } from './device.ts';
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

/** What a run asked of a Gpu. */
export interface Recording {
  /** Hand this to the run. */
  readonly gpu: Gpu;
  readonly dispatches: Dispatch[];
  /** Buffers that were read back. */
  readonly read: GpuWords[];
  /** Milliseconds spent in uploads, so far. */
  uploading: number;
}

/** A Gpu that remembers what was dispatched and read, and keeps its buffers. */
export function recorder(gpu: OwnedGpu): Recording {
  const recordingGpu: Gpu = {
    limits: gpu.limits,
    variants: gpu.variants,
    taken: gpu.taken,
    has: (feature) => gpu.has(feature),
    upload: (lanes) => {
      const began = performance.now();
      const words = gpu.upload(lanes);
      recording.uploading += performance.now() - began;
      return words;
    },
    allocate: (words, fill) => gpu.allocate(words, fill),
    texels: (width, height) => gpu.texels(width, height),
    dispatch: (dispatch) => {
      recording.dispatches.push(dispatch);
      gpu.dispatch(dispatch);
    },
    read: (buffer: GpuWords) => {
      recording.read.push(buffer);
      return gpu.read(buffer);
    },
    release: () => undefined,
  };
  const recording: Recording = { gpu: recordingGpu, dispatches: [], read: [], uploading: 0 };
  return recording;
}

/** How long something took, each time, and how many were in a batch. */
export interface Timed {
  /** By the wall clock. */
  readonly time: Spread;
  /** The same batches by the device's timestamps, where it has them. */
  readonly device?: Spread;
  readonly batch: number;
}

/** The least of a run's times, by the device's clock where it has one: a wait that is polled adds nothing to that. What rates and shares are made of. */
export const leastTime = ({ time, device }: Timed): number => (device ?? time).min;

/** Most runs of a batch, and how much larger one that is tried may be than the last. */
const mostRuns = 1000;
const growth = 16;

/**
 * How many runs take `least` milliseconds. Where a wait is polled, the wall clock says too much of a short run, and some drivers' timestamps now and
 * then say next to nothing of a long one: so batches grow until the wall clock agrees.
 */
async function batchOf(gpu: OwnedGpu, run: readonly Dispatch[], least: number): Promise<number> {
  await gpu.time(run, 1);
  for (let count = 1; ; ) {
    const { wall, device = wall } = await gpu.time(run, count);
    const wanted = Math.min(Math.ceil((count * least) / Math.max(device, 0.001)), mostRuns);
    if (wanted <= 1.25 * count || wall >= growth * least) return count;
    count = Math.min(wanted, growth * count);
  }
}

/**
 * Times runs of dispatches against each other: a few unmeasured ones of each, then in every round one batch of each, long enough for the
 * timer, so that a busy moment of the machine hits all of them. Repeating dispatches may leave other values in their buffers than a run does;
 * results are verified before anything is timed.
 */
export async function timeInRounds(
  gpu: OwnedGpu,
  runs: readonly (readonly Dispatch[])[],
  options: BenchOptions,
): Promise<readonly Timed[]> {
  const batches: number[] = [];
  for (const run of runs) batches.push(await batchOf(gpu, run, options.batch));
  const times: Elapsed[][] = runs.map(() => []);
  for (let round = 0; round < options.samples; round++) {
    for (const [i, run] of runs.entries()) times[i]!.push(await gpu.time(run, batches[i]!));
  }
  return runs.map((_, i) => {
    const batch = batches[i]!;
    const device = times[i]!.flatMap((elapsed) => (elapsed.device === undefined ? [] : elapsed.device / batch));
    return {
      time: spreadOf(times[i]!.map(({ wall }) => wall / batch)),
      ...(device.length === options.samples && { device: spreadOf(device) }),
      batch,
    };
  });
}
