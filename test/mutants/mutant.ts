import type { KernelName } from '../../src/specs/types.ts';
import type { Tensors } from '../../src/tensors/tensor.ts';
import type { MutantSpecName } from './specs.ts';

/**
 * Deliberately wrong variants of the shaders. Each must be caught: on its spec, at least one element differs from the reference.
 * They are data, so that documentation and tools can list them.
 */
export interface Mutant {
  readonly kernel: KernelName;
  /** What is wrong, in the field's words. */
  readonly name: string;
  /** The small spec on which it must be seen; see specs.ts. */
  readonly spec: MutantSpecName;
  /** File under shaders/, without the ending, and the texts replaced in it; each must occur exactly once. */
  readonly file?: string;
  readonly replace?: readonly (readonly [find: string, by: string])[];
  /** Compile-time constants that dispatches get in place of their own. */
  readonly constants?: Readonly<Record<string, number>>;
  /** Tensors that the device gets in place of the spec's: what a wrong plan on the host comes to. */
  readonly tensors?: (inputs: Tensors) => Tensors;
  /** Run-time parameters: in dispatches of `shader`, parameter `to` takes the value of parameter `from`, or `value`. */
  readonly parameter?: { readonly shader: string; readonly to: number } & (
    | { readonly from: number }
    | { readonly value: number }
  );
}
