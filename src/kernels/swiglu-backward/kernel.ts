import type { SwigluBackwardSpec } from '../../specs/types.ts';
import type { Kernel } from '../kernel.ts';
import { quantizeFamilies } from '../quantize/variants.ts';
import { swigluBackwardReference } from './reference.ts';
import { swigluBackwardInputs, swigluBackwardResults } from './spec.ts';
import { swigluBackwardWebGpu } from './webgpu.ts';

/** The kernel swiglu-backward. */
export const swigluBackwardKernel: Kernel<SwigluBackwardSpec> = {
  name: 'swiglu-backward',
  inputs: swigluBackwardInputs,
  results: swigluBackwardResults,
  reference: swigluBackwardReference,
  families: quantizeFamilies,
  webgpu: swigluBackwardWebGpu,
};
