import type { DequantizeSpec } from './kernels/dequantize.ts';
import type { GemmSpec } from './kernels/gemm.ts';
import type { GroupedGemmSpec, GroupLayout } from './kernels/grouped-gemm.ts';
import type { QuantizeSpec } from './kernels/quantize.ts';
import type { RequantizeSpec } from './kernels/requantize.ts';

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
export type { DequantizeSpec, GemmSpec, GroupedGemmSpec, GroupLayout, QuantizeSpec, RequantizeSpec };

/** A spec with every field filled: presets replaced by their objects, defaults written out. */
export type ResolvedSpec = QuantizeSpec | DequantizeSpec | RequantizeSpec | GemmSpec | GroupedGemmSpec;

export type KernelName = ResolvedSpec['kernel'];
