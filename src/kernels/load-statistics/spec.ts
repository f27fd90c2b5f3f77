import type { LoadStatisticsSpec } from '../../specs/types.ts';
import type { TensorDeclaration } from '../../tensors/tensor.ts';
import { declareIntegers } from '../inputs.ts';
import type { InputDeclaration } from '../kernel.ts';

/** Experts of every token. */
export function loadStatisticsInputs({ shape, topkIdx }: LoadStatisticsSpec): readonly InputDeclaration[] {
  return [declareIntegers('topk_idx', topkIdx, [shape.tokens, shape.topk])];
}

/** Slots of every expert, those over an even share, and the largest over the mean. */
export function loadStatisticsResults({ shape }: LoadStatisticsSpec): readonly TensorDeclaration[] {
  return [
    { name: 'load', dtype: 'I32', shape: [shape.experts] },
    { name: 'fraction', dtype: 'F32', shape: [shape.experts] },
    { name: 'imbalance', dtype: 'F32', shape: [1] },
  ];
}
