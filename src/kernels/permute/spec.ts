import { type PermuteSpec, permutedRows } from '../../specs/kernels/permute.ts';
import { dtypeOfFormat, type TensorDeclaration } from '../../tensors/tensor.ts';
import { declareInput, declareIntegers, declareOperand } from '../inputs.ts';
import type { InputDeclaration } from '../kernel.ts';
import { quantizedDeclarations } from '../tiles.ts';

export { permutedRows };

/** x, or codes with scales, and the experts of every token. */
export function permuteInputs(spec: PermuteSpec): readonly InputDeclaration[] {
  const { tokens, hidden, topk } = spec.shape;
  const x =
    'scheme' in spec.x
      ? declareOperand('x', spec.x, tokens, hidden)
      : [declareInput('x', spec.x.input, [tokens, hidden])];
  return [...x, declareIntegers('topk_idx', spec.topkIdx, [tokens, topk])];
}

/** The moved rows; how many rows each expert has and where it begins; the maps from rows to slots and back. */
export function permuteResults(spec: PermuteSpec): readonly TensorDeclaration[] {
  const { tokens, hidden, experts, topk } = spec.shape;
  const rows = permutedRows(spec.shape, spec.alignment);
  return [
    ...movedDeclarations(spec, rows, hidden),
    { name: 'counts', dtype: 'I32', shape: [experts] },
    { name: 'offsets', dtype: 'I32', shape: [experts + 1] },
    { name: 'row_to_slot', dtype: 'I32', shape: [rows] },
    { name: 'slot_to_row', dtype: 'I32', shape: [tokens, topk] },
  ];
}

function movedDeclarations({ x }: PermuteSpec, rows: number, hidden: number): readonly TensorDeclaration[] {
  if ('scheme' in x) return quantizedDeclarations(rows, hidden, x.scheme);
  const dtype = 'generate' in x.input ? dtypeOfFormat[x.input.dtype] : 'BF16';
  return [{ name: 'x', dtype, shape: [rows, hidden] }];
}
