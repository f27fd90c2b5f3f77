import type { Scheme } from '../numerics/scheme.ts';
import type { GeneratedInput } from '../tensors/generate.ts';
import type { IntegerInput } from '../tensors/generate-integers.ts';

export type { GeneratedInput, GeneratorName } from '../tensors/generate.ts';
export type { CountsInput, IntegerInput, MaskInput, RoutingInput } from '../tensors/generate-integers.ts';

/** An input read from a safetensors file. */
export interface FileInput {
  readonly file: string;
  readonly tensor: string;
}

export type Input = GeneratedInput | FileInput;

/** Where an I32 tensor comes from: a generator of its kind or a file. */
export type IntegersFrom<G extends IntegerInput> = G | FileInput;

/** Any input of a kernel. */
export type AnyInput = Input | IntegerInput;

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
