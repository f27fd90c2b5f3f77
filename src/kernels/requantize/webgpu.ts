import type { Gpu } from '../../backends/webgpu/gpu.ts';
import type { RequantizeSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import { laneBytes } from '../bands.ts';
import { dequantizeBand, operandOnHost, tileFactorsOnDevice } from '../dequantize/webgpu.ts';
import type { Tier } from '../kernel.ts';
import { quantizedTensors } from '../quantize/reference.ts';
import { quantizeSource, type Source } from '../quantize/webgpu.ts';

/** Codes and scales of one scheme to those of another on a device, through f32 that never leaves it. */
export async function requantizeWebGpu(gpu: Gpu, spec: RequantizeSpec, inputs: Tensors, tier: Tier): Promise<Tensors> {
  const { rows, columns } = spec.shape;
  const { scheme } = spec.x;
  const quantized = await operandOnHost(gpu, 'x', spec.x, inputs, rows, columns, tier);
  const factors = tileFactorsOnDevice(gpu, quantized, scheme, tier);
  const source: Source = {
    rows,
    columns,
    format: 'f32',
    bytesPerRow: columns * laneBytes('f32'),
    load: (band) => dequantizeBand(gpu, quantized, scheme, factors, band, 'f32', tier),
  };
  const result = quantizedTensors(await quantizeSource(gpu, source, spec.to, tier));
  gpu.release(factors);
  return result;
}
