import type { DequantizeSpec } from './kernels/dequantize.ts';
import type { GemmSpec } from './kernels/gemm.ts';
import type { GroupedGemmSpec, GroupLayout } from './kernels/grouped-gemm.ts';
import type { PermuteSpec } from './kernels/permute.ts';
import type { QuantizeSpec } from './kernels/quantize.ts';
import type { RequantizeSpec } from './kernels/requantize.ts';
import type { SwigluBackwardSpec } from './kernels/swiglu-backward.ts';
import type { SwigluQuantizeSpec } from './kernels/swiglu-quantize.ts';
import type { UnpermuteSpec } from './kernels/unpermute.ts';

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
export type {
  DequantizeSpec,
  GemmSpec,
  GroupedGemmSpec,
  GroupLayout,
  PermuteSpec,
  QuantizeSpec,
  RequantizeSpec,
  SwigluBackwardSpec,
  SwigluQuantizeSpec,
  UnpermuteSpec,
};

/** A spec with every field filled: presets replaced by their objects, defaults written out. */
export type ResolvedSpec =
  | QuantizeSpec
  | DequantizeSpec
  | RequantizeSpec
  | GemmSpec
  | GroupedGemmSpec
  | PermuteSpec
  | UnpermuteSpec
  | SwigluQuantizeSpec
  | SwigluBackwardSpec;

export type KernelName = ResolvedSpec['kernel'];
