import type { BalanceLossSpec, GateSpec } from '../../specs/types.ts';
import type { TensorDeclaration } from '../../tensors/tensor.ts';
import { declareInput } from '../inputs.ts';
import type { InputDeclaration } from '../kernel.ts';

/** Logits of one sequence. */
export function balanceLossInputs({ shape, logits }: BalanceLossSpec): readonly InputDeclaration[] {
  return [declareInput('logits', logits.input, [shape.tokens, shape.experts])];
}

/** The loss, and its factors: how often each expert was chosen, and its mean share of the scores. */
export function balanceLossResults({ shape }: BalanceLossSpec): readonly TensorDeclaration[] {
  return [
    { name: 'loss', dtype: 'F32', shape: [1] },
    { name: 'f', dtype: 'F32', shape: [shape.experts] },
    { name: 'p', dtype: 'F32', shape: [shape.experts] },
  ];
}

/** The gate whose choices the loss counts: unbiased scores, no groups. */
export function countedGate({ name, shape, score, topk, logits }: BalanceLossSpec): GateSpec {
  return {
    fp8lab: 1,
    kernel: 'gate',
    name,
    description: '',
    large: false,
    shape,
    gate: {
      score,
      topk,
      groups: 1,
      topkGroups: 1,
      groupScore: 'max',
      normalize: 'none',
      routeScale: 1,
      sharedExperts: 0,
    },
    logits,
  };
}
