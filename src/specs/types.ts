import type { Arithmetic } from '../numerics/arithmetic.ts';
import type { Scheme } from '../numerics/scheme.ts';
import type { GeneratedInput } from '../tensors/generate.ts';

export type { GeneratedInput, GeneratorName } from '../tensors/generate.ts';

/** An input read from a safetensors file. */
export interface FileInput {
  readonly file: string;
  readonly tensor: string;
}

export type Input = GeneratedInput | FileInput;

/**
 * An operand of a kernel: high-precision `input` that is quantized by `scheme` first, or `codes` (with `scales`) used as they are.
 * Exactly one of `input` and `codes` is present.
 */
export interface Operand {
  readonly scheme: Scheme;
  readonly input?: Input;
  readonly codes?: Input;
  readonly scales?: Input;
}

interface SpecBase {
  readonly fp8lab: 1;
  readonly name: string;
  readonly description: string;
  /** Full-size: left out of a default parity run. */
  readonly large: boolean;
}

/** x [rows, columns] to codes and scales. */
export interface QuantizeSpec extends SpecBase {
  readonly kernel: 'quantize';
  readonly shape: { readonly rows: number; readonly columns: number };
  readonly x: { readonly input: Input };
  readonly scheme: Scheme;
}

/** Codes and scales back to x [rows, columns] in `output`. */
export interface DequantizeSpec extends SpecBase {
  readonly kernel: 'dequantize';
  readonly shape: { readonly rows: number; readonly columns: number };
  readonly x: Operand;
  readonly output: 'bf16' | 'f16' | 'f32';
}

/** Codes and scales of `x.scheme` to codes and scales of `to` (DeepSeek-V3 section 3.3.3: 1x128 to 128x1). */
export interface RequantizeSpec extends SpecBase {
  readonly kernel: 'requantize';
  readonly shape: { readonly rows: number; readonly columns: number };
  readonly x: Operand;
  readonly to: Scheme;
}

/** D = C + A * B^T with A [m, k], B [n, k]. */
export interface GemmSpec extends SpecBase {
  readonly kernel: 'gemm';
  readonly shape: { readonly m: number; readonly n: number; readonly k: number };
  readonly a: Operand;
  readonly b: Operand;
  readonly c?: { readonly input: Input };
  readonly arithmetic: Arithmetic;
  readonly output: 'bf16' | 'f16' | 'f32';
}

/** A spec with every field filled: presets replaced by their objects, defaults written out. */
export type ResolvedSpec = QuantizeSpec | DequantizeSpec | RequantizeSpec | GemmSpec;

export type KernelName = ResolvedSpec['kernel'];
