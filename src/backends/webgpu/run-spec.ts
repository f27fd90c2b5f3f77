import { kernelOf } from '../../kernels/index.ts';
import { materializeInputs } from '../../kernels/inputs.ts';
import type { Tier } from '../../kernels/kernel.ts';
import type { ResolvedSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import { createGpu } from './device.ts';
import type { ShaderSources } from './link.ts';
import type { Session } from './session.ts';

/** Milliseconds a run took, as measured inside the runner. */
export interface RunnerTimes {
  /** Waiting for the inputs: all that making them took, unless they were made ready. */
  readonly inputs: number;
  /** Everything else, the device's start included. */
  readonly kernel: number;
  /** Of `kernel`, in which dispatches waited for their shaders to be compiled; what is compiled while the device works is not in it. */
  readonly compile: number;
}

/** What stands in for what the spec and the library bring, and what comes after. */
export interface RunExtras {
  /** Inputs in place of the generated ones. */
  readonly given?: Tensors;
  /** Shaders in place of shipped ones, by path under shaders/. */
  readonly shaders?: ShaderSources;
  /** Specs to make ready for meanwhile, in the order of their runs: nothing where shaders are substituted. */
  readonly next?: readonly ResolvedSpec[];
}

/** Runs a spec on the session's device; `used` names the shaders that it was compiled of where some are substituted. Throws Fp8labError. */
export async function runSpec(
  session: Session,
  spec: ResolvedSpec,
  tier: Tier = 'exact',
  { given = {}, shaders, next = [] }: RunExtras = {},
): Promise<{ tensors: Tensors; times: RunnerTimes; used: readonly string[] }> {
  const kernel = kernelOf(spec);
  const started = performance.now();
  const { gpu: shipped } = await session.open(tier, kernel.families);
  const opened = performance.now();
  const ready = await session.ahead?.take(spec);
  if (shaders === undefined) session.ahead?.prepare(next, tier, shipped);
  const inputs = materializeInputs(kernel.inputs(spec as never), Object.keys(given).length > 0 ? given : ready);
  const waited = performance.now() - opened;
  const gpu = shaders === undefined ? shipped : createGpu(shipped.device, { shaders, variants: shipped.variants });
  const stalled = gpu.stalled;
  try {
    const tensors = await kernel.webgpu(gpu, spec as never, inputs, tier);
    const times = { inputs: waited, kernel: performance.now() - started - waited, compile: gpu.stalled - stalled };
    return { tensors, times, used: shaders === undefined ? [] : [...gpu.shaders] };
  } finally {
    await gpu.destroyRun();
  }
}
