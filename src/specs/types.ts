import type { specParts } from './parts.ts';

export type {
  AnyInput,
  CountsInput,
  FileInput,
  GeneratedInput,
  GeneratorName,
  Input,
  IntegerInput,
  IntegersFrom,
  MaskInput,
  Operand,
  RoutingInput,
} from './base.ts';
export type { BalanceLossSpec } from './kernels/balance-loss.ts';
export type { BiasUpdateSpec } from './kernels/bias-update.ts';
export type { CombineSpec } from './kernels/combine.ts';
export type { DequantizeSpec } from './kernels/dequantize.ts';
export type { DispatchSpec } from './kernels/dispatch.ts';
export type { GateSpec } from './kernels/gate.ts';
export type { GemmSpec } from './kernels/gemm.ts';
export type { GroupedGemmSpec, GroupLayout } from './kernels/grouped-gemm.ts';
export type { LoadStatisticsSpec } from './kernels/load-statistics.ts';
export type { MoeLayerSpec } from './kernels/moe-layer.ts';
export type { MoeLayerBackwardSpec } from './kernels/moe-layer-backward.ts';
export type { PermuteSpec } from './kernels/permute.ts';
export type { QuantizeSpec } from './kernels/quantize.ts';
export type { RequantizeSpec } from './kernels/requantize.ts';
export type { SwigluBackwardSpec } from './kernels/swiglu-backward.ts';
export type { SwigluQuantizeSpec } from './kernels/swiglu-quantize.ts';
export type { UnpermuteSpec } from './kernels/unpermute.ts';

/** A spec with every field filled: presets replaced by their objects, defaults written out. */
export type ResolvedSpec = ReturnType<(typeof specParts)[number]['fill']>;

export type KernelName = ResolvedSpec['kernel'];
