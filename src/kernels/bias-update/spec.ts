import type { BiasUpdateSpec } from '../../specs/types.ts';
import type { TensorDeclaration } from '../../tensors/tensor.ts';
import { declareInput, declareIntegers } from '../inputs.ts';
import type { InputDeclaration } from '../kernel.ts';

/** The biases and the tokens of every expert. */
export function biasUpdateInputs({ shape, bias, load }: BiasUpdateSpec): readonly InputDeclaration[] {
  return [declareInput('bias', bias.input, [shape.experts]), declareIntegers('load', load, [shape.experts])];
}

/** The biases of the next step. */
export function biasUpdateResults({ shape }: BiasUpdateSpec): readonly TensorDeclaration[] {
  return [{ name: 'bias', dtype: 'F32', shape: [shape.experts] }];
}
