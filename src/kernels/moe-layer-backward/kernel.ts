import type { MoeLayerBackwardSpec } from '../../specs/types.ts';
import type { Kernel } from '../kernel.ts';
import { moeLayerKernel } from '../moe-layer/kernel.ts';
import { quantizeKernel } from '../quantize/kernel.ts';
import { requantizeKernel } from '../requantize/kernel.ts';
import { stagesByReference, stagesOnDevice } from '../stages.ts';
import { swigluBackwardKernel } from '../swiglu-backward/kernel.ts';
import { familiesOf } from '../variants.ts';
import { moeLayerBackwardInputs, moeLayerBackwardResults } from './spec.ts';
import { moeLayerBackwardStages } from './stages.ts';

/** The kernel moe-layer-backward: other kernels, one after the other. */
export const moeLayerBackwardKernel: Kernel<MoeLayerBackwardSpec> = {
  name: 'moe-layer-backward',
  inputs: moeLayerBackwardInputs,
  results: moeLayerBackwardResults,
  reference: (spec, inputs) => stagesByReference(moeLayerBackwardStages(spec, inputs)),
  families: familiesOf(moeLayerKernel, quantizeKernel, requantizeKernel, swigluBackwardKernel),
  webgpu: (gpu, spec, inputs, tier) => stagesOnDevice(gpu, moeLayerBackwardStages(spec, inputs), tier),
};
