import { allExperts, type MoeFields, slotsOf } from '../../specs/kernels/moe-layer.ts';
import type { MoeLayerSpec } from '../../specs/types.ts';
import { dtypeOfFormat, type TensorDeclaration } from '../../tensors/tensor.ts';
import { declareStack } from '../grouped-gemm/operands.ts';
import { declareInput, declareIntegers, declareOperand } from '../inputs.ts';
import type { InputDeclaration } from '../kernel.ts';

/** Hidden states, logits, a bias and a mask where the spec has them, the experts' weights. */
export function moeInputs(spec: MoeFields): readonly InputDeclaration[] {
  const { tokens, hidden, inter, experts } = spec.shape;
  const all = allExperts(spec);
  return [
    ...declareOperand('x', spec.x, tokens, hidden),
    declareInput('logits', spec.logits.input, [tokens, experts]),
    ...(spec.bias === undefined ? [] : [declareInput('bias', spec.bias.input, [experts])]),
    ...(spec.mask === undefined ? [] : [declareIntegers('mask', spec.mask, [tokens])]),
    ...declareStack('w13', spec.w13, all, 2 * inter, hidden),
    ...declareStack('w2', spec.w2, all, hidden, inter),
  ];
}

/** y [tokens, hidden], and the gate's choice. */
export function moeLayerResults(spec: MoeLayerSpec): readonly TensorDeclaration[] {
  const { tokens, hidden } = spec.shape;
  const slots = slotsOf(spec);
  return [
    { name: 'y', dtype: dtypeOfFormat[spec.output], shape: [tokens, hidden] },
    { name: 'topk_idx', dtype: 'I32', shape: [tokens, slots] },
    { name: 'topk_weights', dtype: 'F32', shape: [tokens, slots] },
  ];
}
