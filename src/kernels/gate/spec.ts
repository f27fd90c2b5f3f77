import type { GateSpec } from '../../specs/types.ts';
import type { TensorDeclaration } from '../../tensors/tensor.ts';
import { declareInput, declareIntegers } from '../inputs.ts';
import type { InputDeclaration } from '../kernel.ts';

/** Logits [tokens, experts]; where the spec has them a bias [experts], a mask [tokens], the experts [tokens, topk] to replay. */
export function gateInputs({ shape, gate, logits, bias, mask, indices }: GateSpec): readonly InputDeclaration[] {
  const { tokens, experts } = shape;
  return [
    declareInput('logits', logits.input, [tokens, experts]),
    ...(bias === undefined ? [] : [declareInput('bias', bias.input, [experts])]),
    ...(mask === undefined ? [] : [declareIntegers('mask', mask, [tokens])]),
    ...(indices === undefined ? [] : [declareIntegers('indices', indices, [tokens, gate.topk])]),
  ];
}

/** True where tokens choose among groups before they choose experts. */
export function limitsGroups(spec: GateSpec): boolean {
  return spec.gate.topkGroups < spec.gate.groups && spec.indices === undefined;
}

/** Experts and weights of every slot, tokens of every expert, and where the gate chose, how near the choice was. */
export function gateResults(spec: GateSpec): readonly TensorDeclaration[] {
  const { tokens, experts } = spec.shape;
  const slots = spec.gate.topk + spec.gate.sharedExperts;
  return [
    { name: 'topk_idx', dtype: 'I32', shape: [tokens, slots] },
    { name: 'topk_weights', dtype: 'F32', shape: [tokens, slots] },
    { name: 'load', dtype: 'I32', shape: [experts] },
    ...(spec.indices === undefined ? [{ name: 'near_ties', dtype: 'F32', shape: [tokens] } as const] : []),
    ...(limitsGroups(spec) ? [{ name: 'group_gaps', dtype: 'F32', shape: [tokens] } as const] : []),
  ];
}
