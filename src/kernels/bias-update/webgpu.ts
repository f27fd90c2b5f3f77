import type { Gpu } from '../../backends/webgpu/gpu.ts';
import { bitsOf } from '../../numerics/f32.ts';
import type { BiasUpdateSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import { biasUpdateLanes } from './reference.ts';

/** The same on a device, one thread an expert. */
export async function biasUpdateWebGpu(gpu: Gpu, spec: BiasUpdateSpec, inputs: Tensors): Promise<Tensors> {
  const { experts } = spec.shape;
  const lanes = biasUpdateLanes(spec, inputs);
  const bias = gpu.allocate(experts);
  gpu.dispatch({
    shader: 'kernels/bias_update',
    entryPoint: 'update_bias',
    uniforms: [experts, bitsOf(spec.gamma)],
    buffers: [
      { buffer: gpu.upload(lanes.bias), access: 'read' },
      { buffer: gpu.upload(lanes.load), access: 'read' },
      { buffer: bias, access: 'read_write' },
    ],
    threads: experts,
  });
  const codes = (await gpu.read(bias)).slice(0, experts);
  return { bias: { dtype: 'F32', shape: [experts], codes } };
}
