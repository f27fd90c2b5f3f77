import type { UnpermuteSpec } from '../../specs/types.ts';
import { dtypeOfFormat, type TensorDeclaration } from '../../tensors/tensor.ts';
import { declareInput, declareIntegers } from '../inputs.ts';
import type { InputDeclaration } from '../kernel.ts';

/** x, the rows of every slot and, where the sum is weighted, the weights. */
export function unpermuteInputs(spec: UnpermuteSpec): readonly InputDeclaration[] {
  const { tokens, hidden, topk, rows } = spec.shape;
  const declarations = [
    declareInput('x', spec.x.input, [rows, hidden]),
    declareIntegers('slot_to_row', spec.slotToRow, [tokens, topk]),
  ];
  if (spec.topkWeights === undefined) return declarations;
  return [...declarations, declareInput('topk_weights', spec.topkWeights.input, [tokens, topk])];
}

/** x [tokens, hidden] in the output format. */
export function unpermuteResults(spec: UnpermuteSpec): readonly TensorDeclaration[] {
  return [{ name: 'x', dtype: dtypeOfFormat[spec.output], shape: [spec.shape.tokens, spec.shape.hidden] }];
}
