import type { QuantizeSpec } from '../../specs/types.ts';
import type { TensorDeclaration } from '../../tensors/tensor.ts';
import { declareInput } from '../inputs.ts';
import type { InputDeclaration } from '../kernel.ts';
import { quantizedDeclarations } from '../tiles.ts';

/** x [rows, columns] in high precision. */
export function quantizeInputs(spec: QuantizeSpec): readonly InputDeclaration[] {
  return [declareInput('x', spec.x.input, [spec.shape.rows, spec.shape.columns])];
}

/** Codes, scales and, for nvfp4, the tensor scale. */
export function quantizeResults(spec: QuantizeSpec): readonly TensorDeclaration[] {
  return quantizedDeclarations(spec.shape.rows, spec.shape.columns, spec.scheme);
}
