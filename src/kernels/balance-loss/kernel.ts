import type { BalanceLossSpec } from '../../specs/types.ts';
import { gateKernel } from '../gate/kernel.ts';
import type { Kernel } from '../kernel.ts';
import { balanceLossReference } from './reference.ts';
import { balanceLossInputs, balanceLossResults } from './spec.ts';
import { balanceLossWebGpu } from './webgpu.ts';

/** The kernel balance-loss. */
export const balanceLossKernel: Kernel<BalanceLossSpec> = {
  name: 'balance-loss',
  inputs: balanceLossInputs,
  results: balanceLossResults,
  reference: balanceLossReference,
  families: gateKernel.families,
  webgpu: balanceLossWebGpu,
};
