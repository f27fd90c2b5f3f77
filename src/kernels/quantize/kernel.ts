import type { QuantizeSpec } from '../../specs/types.ts';
import type { Kernel } from '../kernel.ts';
import { requireShape, requireTensor } from '../tiles.ts';
import { quantizedTensors, quantizeReference } from './reference.ts';
import { quantizeInputs, quantizeResults } from './spec.ts';
import { quantizeFamilies } from './variants.ts';
import { quantizeWebGpu } from './webgpu.ts';

/** The kernel quantize. */
export const quantizeKernel: Kernel<QuantizeSpec> = {
  name: 'quantize',
  inputs: quantizeInputs,
  results: quantizeResults,
  reference: (spec, inputs) => {
    const x = requireTensor(inputs, 'x');
    requireShape('x', x, [spec.shape.rows, spec.shape.columns]);
    return quantizedTensors(quantizeReference(x, spec.scheme));
  },
  families: quantizeFamilies,
  webgpu: quantizeWebGpu,
};
