import { kernelOf } from '../../kernels/index.ts';
import { materializeInputs } from '../../kernels/inputs.ts';
import type { Tier } from '../../kernels/kernel.ts';
import type { ResolvedSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import type { Dispatch, Gpu } from './gpu.ts';
import { type Peaks, yardsticks } from './peaks.ts';
import type { Session } from './session.ts';
import { type BenchOptions, leastTime, recorder, type Spread, spreadOf, type Timed, timeInRounds } from './timing.ts';

/** A dispatch of a spec's plan, timed with its buffers resident: milliseconds of one. */
export interface DispatchTime extends Timed {
  readonly shader: string;
  readonly entryPoint: string;
  readonly threads: number;
  /** Bytes of its storage buffers, each counted once. */
  readonly bytes: number;
  /** Equal dispatches of the plan that this stands for. */
  readonly count: number;
}

/** What a spec's run costs on a device. Times in milliseconds. */
export interface SpecTimes {
  readonly dispatches: readonly DispatchTime[];
  /** The whole plan, cold: pipelines compiled, inputs uploaded, results read back. */
  readonly first: number;
  /** Of `first`, in which dispatches waited for their shaders to be compiled. */
  readonly compile: number;
  /** Of a whole run, handing inputs to the driver. */
  readonly upload: number;
  /** Reading all results back from an idle device. */
  readonly readback: number;
  /** The whole plan again, pipelines cached. */
  readonly whole: Spread;
  /** Variants that the kernel took, as `family=variant`. */
  readonly variants: readonly string[];
  /** What the adapter reached in the same rounds. */
  readonly peaks: Peaks;
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

function describeDispatch(group: readonly Dispatch[], timed: Timed): DispatchTime {
  const { shader, entryPoint, threads, buffers } = group[0]!;
  const bytes = 4 * buffers.reduce((sum, { buffer }) => sum + buffer.words, 0);
  return { shader, entryPoint, threads, bytes, ...timed, count: group.length };
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
  const { gpu } = await session.open(tier, kernel.families);
  const wall = async (on: Gpu): Promise<{ tensors: Tensors; time: number }> => {
    const began = performance.now();
    const tensors = await kernel.webgpu(on, spec as never, inputs, tier);
    return { tensors, time: performance.now() - began };
  };
  try {
    const stalled = gpu.stalled;
    const { tensors, time: first } = await wall(gpu);
    const compile = gpu.stalled - stalled;
    const whole: number[] = [];
    for (let i = 0; i < Math.min(options.samples, 3); i++) whole.push((await wall(gpu)).time);
    const recording = recorder(gpu);
    await wall(recording.gpu);
    const { uploading: upload } = recording;
    await gpu.finish();
    const idle = performance.now();
    await Promise.all(recording.read.map((buffer) => gpu.read(buffer)));
    const readback = performance.now() - idle;
    const groups = [...groupEqual(recording.dispatches).values()];
    const rods = yardsticks(gpu);
    const runs = [...rods.map(({ dispatch }) => dispatch), ...groups.map((group) => group[0]!)];
    const timed = await timeInRounds(
      gpu,
      runs.map((dispatch) => [dispatch]),
      options,
    );
    const peaks = Object.fromEntries(rods.map(({ peak, work }, i) => [peak, work / (leastTime(timed[i]!) / 1000)]));
    const dispatches = groups.map((group, i) => describeDispatch(group, timed[rods.length + i]!));
    const costs = { first, compile, upload, readback, whole: spreadOf(whole) };
    const times = { dispatches, ...costs, variants: [...gpu.taken], peaks: peaks as unknown as Peaks };
    return { tensors, times };
  } finally {
    await gpu.destroyRun();
  }
}
