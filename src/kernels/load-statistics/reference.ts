import { bitsOf, divBits } from '../../numerics/f32.ts';
import type { LoadStatisticsSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import { integers, NOWHERE, requireIndices } from '../indices.ts';
import { requireTensor } from '../tiles.ts';

/** The experts of all slots, checked. */
export function loadStatisticsLanes({ shape }: LoadStatisticsSpec, inputs: Tensors): Uint32Array {
  const { tokens, experts, topk } = shape;
  return requireIndices('topk_idx', requireTensor(inputs, 'topk_idx'), [tokens, topk], experts);
}

/** fl(a / b) of whole numbers below 2^53, each rounded to f32 first. */
export const ratioBits = (a: number, b: number): number => divBits(bitsOf(a), bitsOf(b));

/** Loads of the experts: docs/numerics.md, "Balance". */
export function loadStatisticsReference(spec: LoadStatisticsSpec, inputs: Tensors): Tensors {
  const { tokens, experts, topk } = spec.shape;
  const load = new Uint32Array(experts);
  for (const expert of loadStatisticsLanes(spec, inputs))
    if (expert < 0x80000000 && expert !== NOWHERE) load[expert]!++;
  const total = load.reduce((sum, count) => sum + count, 0);
  const largest = load.reduce((most, count) => Math.max(most, count), 0);
  const fraction = load.map((count) => ratioBits(count * experts, tokens * topk));
  const imbalance = total === 0 ? 0 : ratioBits(largest * experts, total);
  return {
    load: integers(load, [experts]),
    fraction: { dtype: 'F32', shape: [experts], codes: fraction },
    imbalance: { dtype: 'F32', shape: [1], codes: Uint32Array.of(imbalance) },
  };
}
