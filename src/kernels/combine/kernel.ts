import type { CombineSpec } from '../../specs/types.ts';
import type { Kernel } from '../kernel.ts';
import { combineReference } from './reference.ts';
import { combineInputs, combineResults } from './spec.ts';
import { combineWebGpu } from './webgpu.ts';

/** The kernel combine. */
export const combineKernel: Kernel<CombineSpec> = {
  name: 'combine',
  inputs: combineInputs,
  results: combineResults,
  reference: combineReference,
  webgpu: combineWebGpu,
};
