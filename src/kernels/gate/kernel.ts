import type { GateSpec } from '../../specs/types.ts';
import type { Kernel } from '../kernel.ts';
import { gateReference } from './reference.ts';
import { gateInputs, gateResults } from './spec.ts';
import { gateFamily } from './variants.ts';
import { gateWebGpu } from './webgpu.ts';

/** The kernel gate. */
export const gateKernel: Kernel<GateSpec> = {
  name: 'gate',
  inputs: gateInputs,
  results: gateResults,
  reference: gateReference,
  families: [gateFamily],
  webgpu: gateWebGpu,
};
