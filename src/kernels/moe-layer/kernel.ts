import type { MoeLayerSpec } from '../../specs/types.ts';
import { gateKernel } from '../gate/kernel.ts';
import { groupedGemmKernel } from '../grouped-gemm/kernel.ts';
import type { Kernel } from '../kernel.ts';
import { permuteKernel } from '../permute/kernel.ts';
import { stagesByReference, stagesOnDevice } from '../stages.ts';
import { swigluQuantizeKernel } from '../swiglu-quantize/kernel.ts';
import { unpermuteKernel } from '../unpermute/kernel.ts';
import { familiesOf } from '../variants.ts';
import { moeInputs, moeLayerResults } from './spec.ts';
import { moeLayerStages } from './stages.ts';

/** The kernel moe-layer: other kernels, one after the other. */
export const moeLayerKernel: Kernel<MoeLayerSpec> = {
  name: 'moe-layer',
  inputs: moeInputs,
  results: moeLayerResults,
  reference: (spec, inputs) => stagesByReference(moeLayerStages(spec, inputs)),
  families: familiesOf(gateKernel, permuteKernel, groupedGemmKernel, swigluQuantizeKernel, unpermuteKernel),
  webgpu: (gpu, spec, inputs, tier) => stagesOnDevice(gpu, moeLayerStages(spec, inputs), tier),
};
