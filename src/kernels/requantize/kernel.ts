import type { RequantizeSpec } from '../../specs/types.ts';
import { quantizedOperand } from '../dequantize/reference.ts';
import { dequantizeFamily } from '../dequantize/variants.ts';
import type { Kernel } from '../kernel.ts';
import { quantizedTensors } from '../quantize/reference.ts';
import { quantizeFamilies } from '../quantize/variants.ts';
import { requantizeReference } from './reference.ts';
import { requantizeInputs, requantizeResults } from './spec.ts';
import { requantizeWebGpu } from './webgpu.ts';

/** The kernel requantize. */
export const requantizeKernel: Kernel<RequantizeSpec> = {
  name: 'requantize',
  inputs: requantizeInputs,
  results: requantizeResults,
  reference: (spec, inputs) => {
    const from = quantizedOperand('x', spec.x, inputs, spec.shape.rows, spec.shape.columns);
    return quantizedTensors(requantizeReference(from, spec.x.scheme, spec.to));
  },
  families: [...quantizeFamilies, dequantizeFamily],
  webgpu: requantizeWebGpu,
};
