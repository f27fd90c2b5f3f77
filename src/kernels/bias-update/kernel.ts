import type { BiasUpdateSpec } from '../../specs/types.ts';
import type { Kernel } from '../kernel.ts';
import { biasUpdateReference } from './reference.ts';
import { biasUpdateInputs, biasUpdateResults } from './spec.ts';
import { biasUpdateWebGpu } from './webgpu.ts';

/** The kernel bias-update. */
export const biasUpdateKernel: Kernel<BiasUpdateSpec> = {
  name: 'bias-update',
  inputs: biasUpdateInputs,
  results: biasUpdateResults,
  reference: biasUpdateReference,
  webgpu: biasUpdateWebGpu,
};
