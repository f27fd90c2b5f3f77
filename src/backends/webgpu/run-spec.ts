import { kernelOf } from '../../kernels/index.ts';
import { materializeInputs } from '../../kernels/inputs.ts';
import type { Tier } from '../../kernels/kernel.ts';
import type { ResolvedSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import type { Session } from './session.ts';

/** Milliseconds a run took, as measured inside the runner. */
export interface RunnerTimes {
  readonly inputs: number;
  readonly kernel: number;
}

/** Runs a spec on the session's device. `given` stands in for the generated inputs. Throws Fp8labError. */
export async function runSpec(
  session: Session,
  spec: ResolvedSpec,
  tier: Tier = 'exact',
  given: Tensors = {},
): Promise<{ tensors: Tensors; times: RunnerTimes }> {
  const kernel = kernelOf(spec);
  const started = performance.now();
  const inputs = materializeInputs(kernel.inputs(spec as never), given);
  const made = performance.now();
  const { gpu } = await session.open(tier);
  try {
    const tensors = await kernel.webgpu(gpu, spec as never, inputs, tier);
    return { tensors, times: { inputs: made - started, kernel: performance.now() - made } };
  } finally {
    await gpu.destroyRun();
  }
}
