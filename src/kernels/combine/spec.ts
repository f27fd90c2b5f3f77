import type { CombineSpec } from '../../specs/kernels/combine.ts';
import type { TensorDeclaration } from '../../tensors/tensor.ts';
import { declareInput, declareIntegers } from '../inputs.ts';
import type { InputDeclaration } from '../kernel.ts';

/** Results of the experts, and for every slot its row, expert and weight. */
export function combineInputs(spec: CombineSpec): readonly InputDeclaration[] {
  const extents = [spec.ranks * spec.shape.tokens, spec.shape.topk];
  return [
    declareInput('x', spec.x.input, [spec.rows, spec.shape.hidden]),
    declareIntegers('slot_to_row', spec.slotToRow, extents),
    declareIntegers('topk_idx', spec.topkIdx, extents),
    ...(spec.topkWeights === undefined ? [] : [declareInput('topk_weights', spec.topkWeights.input, extents)]),
  ];
}

/** x [ranks * tokens, hidden] in bf16, and what went over the links. */
export function combineResults({ ranks, gpusPerNode, shape }: CombineSpec): readonly TensorDeclaration[] {
  const nodes = ranks / gpusPerNode;
  return [
    { name: 'x', dtype: 'BF16', shape: [ranks * shape.tokens, shape.hidden] },
    { name: 'ib_bytes', dtype: 'I32', shape: [nodes, nodes] },
    { name: 'nvlink_bytes', dtype: 'I32', shape: [ranks, ranks] },
  ];
}
