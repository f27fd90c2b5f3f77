import type { DequantizeSpec } from '../../specs/types.ts';
import { dtypeOfFormat, type TensorDeclaration } from '../../tensors/tensor.ts';
import { declareOperand } from '../inputs.ts';
import type { InputDeclaration } from '../kernel.ts';

/** Codes with scales, or x to be quantized first. */
export function dequantizeInputs(spec: DequantizeSpec): readonly InputDeclaration[] {
  return declareOperand('x', spec.x, spec.shape.rows, spec.shape.columns);
}

/** x [rows, columns] in the output format. */
export function dequantizeResults(spec: DequantizeSpec): readonly TensorDeclaration[] {
  return [{ name: 'x', dtype: dtypeOfFormat[spec.output], shape: [spec.shape.rows, spec.shape.columns] }];
}
