import type { UnpermuteSpec } from '../../specs/types.ts';
import type { Kernel } from '../kernel.ts';
import { unpermuteReference } from './reference.ts';
import { unpermuteInputs, unpermuteResults } from './spec.ts';
import { unpermuteWebGpu } from './webgpu.ts';

/** The kernel unpermute. */
export const unpermuteKernel: Kernel<UnpermuteSpec> = {
  name: 'unpermute',
  inputs: unpermuteInputs,
  results: unpermuteResults,
  reference: (spec, inputs) => ({ x: unpermuteReference(spec, inputs) }),
  webgpu: unpermuteWebGpu,
};
