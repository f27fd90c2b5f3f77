import { kernelOf } from '../../kernels/index.ts';
import { materializeInputs } from '../../kernels/inputs.ts';
import type { Tier } from '../../kernels/kernel.ts';
import type { ResolvedSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import type { OwnedGpu } from './device.ts';
import type { Dispatch, Gpu, GpuWords } from './gpu.ts';
import type { Session } from './session.ts';

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

/** A dispatch of a spec's plan, timed with its buffers resident. */
export interface DispatchTime {
  readonly shader: string;
  readonly entryPoint: string;
  readonly threads: number;
  /** Bytes of its storage buffers, each counted once. */
  readonly bytes: number;
  /** Milliseconds of one, and how many were in a batch. */
  readonly time: Spread;
  readonly batch: number;
  /** Equal dispatches of the plan that this stands for. */
  readonly count: number;
}

/** What a spec's run costs on a device. Times in milliseconds. */
export interface SpecTimes {
  readonly dispatches: readonly DispatchTime[];
  /** The whole plan, cold: pipelines compiled, inputs uploaded, results read back. */
  readonly first: number;
  /** The whole plan again, pipelines cached. */
  readonly whole: Spread;
}

/** Median, least and largest of some times. */
export function spreadOf(times: readonly number[]): Spread {
  const sorted = [...times].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)!, samples: sorted.length };
}

/** A Gpu that remembers what was dispatched and keeps its buffers. */
function recorder(gpu: OwnedGpu): { gpu: Gpu; dispatches: Dispatch[] } {
  const dispatches: Dispatch[] = [];
  const recording: Gpu = {
    limits: gpu.limits,
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

/** Dispatches that differ only in their buffers' content and uniforms cost the same: one of each is timed. */
function groupEqual(dispatches: readonly Dispatch[]): Map<string, Dispatch[]> {
  const groups = new Map<string, Dispatch[]>();
  for (const dispatch of dispatches) {
    const { shader, entryPoint, constants, threads, buffers } = dispatch;
    const key = JSON.stringify([shader, entryPoint, constants, threads, buffers.map(({ buffer }) => buffer.words)]);
    groups.set(key, [...(groups.get(key) ?? []), dispatch]);
  }
  return groups;
}

/**
 * Times one dispatch: two unmeasured ones, then batches long enough for the timer.
 * Repeating it may leave other values in its buffers than a run does; results are verified before anything is timed.
 */
export async function timeDispatch(
  gpu: OwnedGpu,
  dispatch: Dispatch,
  options: BenchOptions,
): Promise<{ time: Spread; batch: number }> {
  await gpu.time(dispatch, 1);
  const once = await gpu.time(dispatch, 1);
  const batch = Math.max(1, Math.min(Math.ceil(options.batch / Math.max(once, 0.01)), 1000));
  const times: number[] = [];
  for (let i = 0; i < options.samples; i++) times.push((await gpu.time(dispatch, batch)) / batch);
  return { time: spreadOf(times), batch };
}

/** Runs a spec, gives its results for verification, and times it whole and dispatch by dispatch. */
export async function benchSpec(
  session: Session,
  spec: ResolvedSpec,
  tier: Tier,
  options: BenchOptions,
): Promise<{ times: SpecTimes; tensors: Tensors }> {
  const kernel = kernelOf(spec);
  const inputs = materializeInputs(kernel.inputs(spec as never), {});
  const { gpu } = await session.open();
  const wall = async (on: Gpu): Promise<{ tensors: Tensors; time: number }> => {
    const began = performance.now();
    const tensors = await kernel.webgpu(on, spec as never, inputs, tier);
    return { tensors, time: performance.now() - began };
  };
  try {
    const { tensors, time: first } = await wall(gpu);
    const whole: number[] = [];
    for (let i = 0; i < Math.min(options.samples, 3); i++) whole.push((await wall(gpu)).time);
    const recording = recorder(gpu);
    await wall(recording.gpu);
    const dispatches: DispatchTime[] = [];
    for (const group of groupEqual(recording.dispatches).values()) {
      const [dispatch] = group as [Dispatch];
      dispatches.push({
        shader: dispatch.shader,
        entryPoint: dispatch.entryPoint,
        threads: dispatch.threads,
        bytes: 4 * dispatch.buffers.reduce((sum, { buffer }) => sum + buffer.words, 0),
        ...(await timeDispatch(gpu, dispatch, options)),
        count: group.length,
      });
    }
    return { tensors, times: { dispatches, first, whole: spreadOf(whole) } };
  } finally {
    await gpu.destroyRun();
  }
}
