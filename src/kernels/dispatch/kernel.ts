import type { DispatchSpec } from '../../specs/types.ts';
import type { Kernel } from '../kernel.ts';
import { permuteKernel } from '../permute/kernel.ts';
import { dispatchReference } from './reference.ts';
import { dispatchInputs, dispatchResults } from './spec.ts';
import { dispatchWebGpu } from './webgpu.ts';

/** The kernel dispatch. */
export const dispatchKernel: Kernel<DispatchSpec> = {
  name: 'dispatch',
  inputs: dispatchInputs,
  results: dispatchResults,
  reference: dispatchReference,
  families: permuteKernel.families,
  webgpu: dispatchWebGpu,
};
