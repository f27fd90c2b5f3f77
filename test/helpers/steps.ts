import type { TensorCoreModel } from '../../src/numerics/arithmetic.ts';
import type { FormatName } from '../../src/numerics/formats.ts';
import type { Codes } from '../../src/tensors/tensor.ts';
import { fusedSteps } from './fused-steps.ts';
import { newGpu } from './gpu.ts';
import { testShader } from './shader.ts';

/** {@link fusedSteps} on the test file's device. */
export async function stepsOnGpu(
  model: TensorCoreModel,
  formats: readonly [FormatName, FormatName],
  a: Codes,
  b: Codes,
  rows: number,
  k: number,
  c?: Uint32Array,
  inFloats = false,
): Promise<Uint32Array> {
  const gpu = newGpu({ shaders: { 'test/fused_steps': testShader('fused_steps') } });
  try {
    return await fusedSteps(gpu, model, formats, a, b, rows, k, c, inFloats);
  } finally {
    await gpu.destroyRun();
  }
}
