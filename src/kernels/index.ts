import type { KernelName, ResolvedSpec } from '../specs/types.ts';
import { balanceLossKernel } from './balance-loss/kernel.ts';
import { biasUpdateKernel } from './bias-update/kernel.ts';
import { combineKernel } from './combine/kernel.ts';
import { dequantizeKernel } from './dequantize/kernel.ts';
import { dispatchKernel } from './dispatch/kernel.ts';
import { gateKernel } from './gate/kernel.ts';
import { gemmKernel } from './gemm/kernel.ts';
import { groupedGemmKernel } from './grouped-gemm/kernel.ts';
import type { Kernel } from './kernel.ts';
import { loadStatisticsKernel } from './load-statistics/kernel.ts';
import { moeLayerKernel } from './moe-layer/kernel.ts';
import { moeLayerBackwardKernel } from './moe-layer-backward/kernel.ts';
import { permuteKernel } from './permute/kernel.ts';
import { quantizeKernel } from './quantize/kernel.ts';
import { requantizeKernel } from './requantize/kernel.ts';
import { swigluBackwardKernel } from './swiglu-backward/kernel.ts';
import { swigluQuantizeKernel } from './swiglu-quantize/kernel.ts';
import { unpermuteKernel } from './unpermute/kernel.ts';
import { type Family, familiesOf } from './variants.ts';

/** Every kernel by its name. */
export const kernels: Readonly<Record<KernelName, Kernel<never>>> = {
  quantize: quantizeKernel,
  dequantize: dequantizeKernel,
  requantize: requantizeKernel,
  gemm: gemmKernel,
  'grouped-gemm': groupedGemmKernel,
  gate: gateKernel,
  'bias-update': biasUpdateKernel,
  'balance-loss': balanceLossKernel,
  'load-statistics': loadStatisticsKernel,
  permute: permuteKernel,
  unpermute: unpermuteKernel,
  'swiglu-quantize': swigluQuantizeKernel,
  'swiglu-backward': swigluBackwardKernel,
  'moe-layer': moeLayerKernel,
  'moe-layer-backward': moeLayerBackwardKernel,
  dispatch: dispatchKernel,
  combine: combineKernel,
};

/** Every family of variants that some kernel has. */
export const families: readonly Family[] = familiesOf(...Object.values(kernels));

/** The kernel of a spec. */
export function kernelOf(spec: ResolvedSpec): Kernel {
  return kernels[spec.kernel] as unknown as Kernel;
}
