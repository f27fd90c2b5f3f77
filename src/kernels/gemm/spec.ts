import type { GemmSpec } from '../../specs/types.ts';
import { dtypeOfFormat, type TensorDeclaration } from '../../tensors/tensor.ts';
import { declareInput, declareOperand } from '../inputs.ts';
import type { InputDeclaration } from '../kernel.ts';

/** A [m, k] and B [n, k] as operands, C [m, n] where the spec has one. */
export function gemmInputs(spec: GemmSpec): readonly InputDeclaration[] {
  const { m, n, k } = spec.shape;
  const declarations = [...declareOperand('a', spec.a, m, k), ...declareOperand('b', spec.b, n, k)];
  return spec.c === undefined ? declarations : [...declarations, declareInput('c', spec.c.input, [m, n])];
}

/** D [m, n] in the output format. */
export function gemmResults(spec: GemmSpec): readonly TensorDeclaration[] {
  return [{ name: 'd', dtype: dtypeOfFormat[spec.output], shape: [spec.shape.m, spec.shape.n] }];
}
