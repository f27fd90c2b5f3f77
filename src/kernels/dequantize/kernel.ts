import type { DequantizeSpec } from '../../specs/types.ts';
import type { Kernel } from '../kernel.ts';
import { quantizeFamilies } from '../quantize/variants.ts';
import { dequantizeReference, quantizedOperand } from './reference.ts';
import { dequantizeInputs, dequantizeResults } from './spec.ts';
import { dequantizeFamily } from './variants.ts';
import { dequantizeWebGpu } from './webgpu.ts';

/** The kernel dequantize. */
export const dequantizeKernel: Kernel<DequantizeSpec> = {
  name: 'dequantize',
  inputs: dequantizeInputs,
  results: dequantizeResults,
  reference: (spec, inputs) => {
    const quantized = quantizedOperand('x', spec.x, inputs, spec.shape.rows, spec.shape.columns);
    return { x: dequantizeReference(quantized, spec.x.scheme, spec.output) };
  },
  families: [...quantizeFamilies, dequantizeFamily],
  webgpu: dequantizeWebGpu,
};
