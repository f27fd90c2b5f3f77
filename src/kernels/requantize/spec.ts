import type { RequantizeSpec } from '../../specs/types.ts';
import type { TensorDeclaration } from '../../tensors/tensor.ts';
import { declareOperand } from '../inputs.ts';
import type { InputDeclaration } from '../kernel.ts';
import { quantizedDeclarations } from '../tiles.ts';

/** Codes with scales of the first scheme, or x to be quantized by it. */
export function requantizeInputs(spec: RequantizeSpec): readonly InputDeclaration[] {
  return declareOperand('x', spec.x, spec.shape.rows, spec.shape.columns);
}

/** Codes and scales of the second scheme. */
export function requantizeResults(spec: RequantizeSpec): readonly TensorDeclaration[] {
  return quantizedDeclarations(spec.shape.rows, spec.shape.columns, spec.to);
}
