import type { SwigluFields } from '../../specs/kernels/swiglu-quantize.ts';
import { dtypeOfFormat, type TensorDeclaration } from '../../tensors/tensor.ts';
import { declareInput, declareIntegers } from '../inputs.ts';
import type { InputDeclaration } from '../kernel.ts';
import { quantizedDeclarations } from '../tiles.ts';

/** x, and where the spec has them the rows' weights and slots. */
export function swigluInputs(spec: SwigluFields): readonly InputDeclaration[] {
  const { rows, inter } = spec.shape;
  return [
    declareInput('x', spec.x.input, [rows, 2 * inter]),
    ...(spec.weights === undefined ? [] : [declareInput('weights', spec.weights.input, [rows])]),
    ...(spec.rowToSlot === undefined ? [] : [declareIntegers('row_to_slot', spec.rowToSlot, [rows])]),
  ];
}

/** Codes and scales, or `name` in the output format: [rows, columns]. */
export function swigluResults(spec: SwigluFields, name: string, columns: number): readonly TensorDeclaration[] {
  const { rows } = spec.shape;
  if (spec.scheme !== undefined) return quantizedDeclarations(rows, columns, spec.scheme);
  return [{ name, dtype: dtypeOfFormat[spec.output ?? 'bf16'], shape: [rows, columns] }];
}
