import type { Gpu } from '../../backends/webgpu/gpu.ts';
import type { GemmSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import type { Tier } from '../kernel.ts';

/** D = C + A * B^T on a device. */
export async function gemmWebGpu(_gpu: Gpu, _spec: GemmSpec, _inputs: Tensors, _tier: Tier): Promise<Tensors> {
  throw new Error('not yet');
}
