import type { SwigluQuantizeSpec } from '../../specs/types.ts';
import type { Kernel } from '../kernel.ts';
import { quantizeFamilies } from '../quantize/variants.ts';
import { swigluQuantizeReference } from './reference.ts';
import { swigluInputs, swigluResults } from './spec.ts';
import { swigluFamily } from './variants.ts';
import { swigluQuantizeWebGpu } from './webgpu.ts';

/** The kernel swiglu-quantize. */
export const swigluQuantizeKernel: Kernel<SwigluQuantizeSpec> = {
  name: 'swiglu-quantize',
  inputs: swigluInputs,
  results: (spec) => swigluResults(spec, 'act', spec.shape.inter),
  reference: swigluQuantizeReference,
  families: [...quantizeFamilies, swigluFamily],
  webgpu: swigluQuantizeWebGpu,
};
