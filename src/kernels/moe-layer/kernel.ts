import type { MoeLayerSpec } from '../../specs/types.ts';
import type { Kernel } from '../kernel.ts';
import { stagesByReference, stagesOnDevice } from '../stages.ts';
import { moeInputs, moeLayerResults } from './spec.ts';
import { moeLayerStages } from './stages.ts';

/** The kernel moe-layer: other kernels, one after the other. */
export const moeLayerKernel: Kernel<MoeLayerSpec> = {
  name: 'moe-layer',
  inputs: moeInputs,
  results: moeLayerResults,
  reference: (spec, inputs) => stagesByReference(moeLayerStages(spec, inputs)),
  webgpu: (gpu, spec, inputs, tier) => stagesOnDevice(gpu, moeLayerStages(spec, inputs), tier),
};
