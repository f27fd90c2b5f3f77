import type { PermuteSpec } from '../../specs/types.ts';
import type { Kernel } from '../kernel.ts';
import { quantizeFamilies } from '../quantize/variants.ts';
import { permuteReference } from './reference.ts';
import { permuteInputs, permuteResults } from './spec.ts';
import { permuteFamily } from './variants.ts';
import { permuteWebGpu } from './webgpu.ts';

/** The kernel permute. */
export const permuteKernel: Kernel<PermuteSpec> = {
  name: 'permute',
  inputs: permuteInputs,
  results: permuteResults,
  reference: permuteReference,
  families: [...quantizeFamilies, permuteFamily],
  webgpu: permuteWebGpu,
};
