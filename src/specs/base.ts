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

/** What every spec has, whatever its kernel. */
export interface SpecBase {
  readonly fp8lab: 1;
  readonly name: string;
  readonly description: string;
  /** Full-size: left out of a default parity run. */
  readonly large: boolean;
}
