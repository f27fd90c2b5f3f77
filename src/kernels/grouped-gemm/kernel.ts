import type { GroupedGemmSpec } from '../../specs/types.ts';
import { gemmKernel } from '../gemm/kernel.ts';
import type { Kernel } from '../kernel.ts';
import { groupedGemmReference } from './reference.ts';
import { groupedGemmInputs, groupedGemmResults } from './spec.ts';
import { groupedGemmWebGpu } from './webgpu.ts';

/** The kernel grouped-gemm. */
export const groupedGemmKernel: Kernel<GroupedGemmSpec> = {
  name: 'grouped-gemm',
  inputs: groupedGemmInputs,
  results: groupedGemmResults,
  reference: (spec, inputs) => ({ d: groupedGemmReference(spec, inputs) }),
  families: gemmKernel.families,
  webgpu: async (gpu, spec, inputs, tier) => ({ d: await groupedGemmWebGpu(gpu, spec, inputs, tier) }),
};
