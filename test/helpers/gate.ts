import { resolveSpec } from '../../src/specs/resolve.ts';
import type { GateSpec } from '../../src/specs/types.ts';
import type { Tensor, Tensors } from '../../src/tensors/tensor.ts';

/** A gate spec; the inputs it names are not made where a test gives the tensors. */
export function gateSpec(tokens: number, experts: number, gate: unknown, more: object = {}): GateSpec {
  const logits = { input: { generate: 'normal', dtype: 'f32' } };
  const authored = { fp8lab: 1, kernel: 'gate', name: 'gate', shape: { tokens, experts }, gate, logits, ...more };
  return resolveSpec(authored) as GateSpec;
}

/** f32 values as a tensor. */
export function f32Tensor(values: readonly number[], shape: readonly number[]): Tensor {
  return { dtype: 'F32', shape, codes: new Uint32Array(Float32Array.from(values).buffer) };
}

/** Integers as a tensor. */
export function i32Tensor(values: readonly number[], shape: readonly number[]): Tensor {
  return { dtype: 'I32', shape, codes: new Uint32Array(Int32Array.from(values).buffer) };
}

/** A result's integers. */
export const integersOf = (tensors: Tensors, name: string): number[] =>
  Array.from(tensors[name]!.codes, (code) => code | 0);

/** A result's numbers. */
export const numbersOf = (tensors: Tensors, name: string): number[] => [
  ...new Float32Array(Uint32Array.from(tensors[name]!.codes).buffer),
];
