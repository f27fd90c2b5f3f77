import type { GemmSpec } from '../../specs/types.ts';
import type { Kernel } from '../kernel.ts';
import { quantizeFamilies } from '../quantize/variants.ts';
import { gemmReference } from './reference.ts';
import { gemmInputs, gemmResults } from './spec.ts';
import { gemmFamily } from './variants.ts';
import { gemmWebGpu } from './webgpu.ts';

/** The kernel gemm. */
export const gemmKernel: Kernel<GemmSpec> = {
  name: 'gemm',
  inputs: gemmInputs,
  results: gemmResults,
  reference: (spec, inputs) => ({ d: gemmReference(spec, inputs) }),
  families: [...quantizeFamilies, gemmFamily],
  webgpu: gemmWebGpu,
};
