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
  readonly inputs: number;
  readonly kernel: number;
  /** Of `kernel`, compiling shaders: once a pipeline and device. */
  readonly compile: number;
}

/** What stands in for what the spec and the library bring. */
export interface RunSubstitutes {
  /** Inputs in place of the generated ones. */
  readonly given?: Tensors;
  /** Shaders in place of shipped ones, by path under shaders/. */
  readonly shaders?: ShaderSources;
}

/** Runs a spec on the session's device; `used` names the shaders that it was compiled of where some are substituted. Throws Fp8labError. */
export async function runSpec(
  session: Session,
  spec: ResolvedSpec,
  tier: Tier = 'exact',
  { given = {}, shaders }: RunSubstitutes = {},
): Promise<{ tensors: Tensors; times: RunnerTimes; used: readonly string[] }> {
  const kernel = kernelOf(spec);
  const started = performance.now();
  const inputs = materializeInputs(kernel.inputs(spec as never), given);
  const made = performance.now();
  const { gpu: shipped } = await session.open(tier, kernel.families);
  const gpu = shaders === undefined ? shipped : createGpu(shipped.device, { shaders, variants: shipped.variants });
  const compiled = gpu.compiling;
  try {
    const tensors = await kernel.webgpu(gpu, spec as never, inputs, tier);
    const kernelTime = performance.now() - made;
    const times = { inputs: made - started, kernel: kernelTime, compile: gpu.compiling - compiled };
    return { tensors, times, used: shaders === undefined ? [] : [...gpu.shaders] };
  } finally {
    await gpu.destroyRun();
  }
}
