import { decodeBits, encodeBits } from '../../numerics/codec.ts';
import { addBits, fmaBits } from '../../numerics/f32.ts';
import { formats } from '../../numerics/formats.ts';
import type { CombineSpec } from '../../specs/kernels/combine.ts';
import type { Tensor, Tensors } from '../../tensors/tensor.ts';
import { narrow } from '../dequantize/reference.ts';
import { countMessages, returned, trafficTensors, type Way } from '../dispatch/traffic.ts';
import { NOWHERE, requireIndices } from '../indices.ts';
import { widen } from '../quantize/reference.ts';
import { requireTensor } from '../tiles.ts';
import { type SlotSum, sumSlots, unpermuteOperands } from '../unpermute/reference.ts';

/** What a combine reads: a sum over slots, and the rank of every slot. */
export interface RankedSum extends SlotSum {
  /** Rank that a slot's row is on [ranks * tokens * topk]; -1 for slots without a row. */
  readonly slotRank: Uint32Array;
}

/** The tensors of a combine spec, checked. */
export function combineOperands(spec: CombineSpec, inputs: Tensors): RankedSum {
  const { shape, ranks, rows } = spec;
  const tokens = ranks * shape.tokens;
  const sum = unpermuteOperands(
    { ...spec, kernel: 'unpermute', shape: { ...shape, tokens, rows }, output: 'bf16' },
    inputs,
  );
  const topkIdx = requireIndices('topk_idx', requireTensor(inputs, 'topk_idx'), [tokens, shape.topk], shape.experts);
  const perRank = shape.experts / ranks;
  const slotRank = topkIdx.map((expert, slot) =>
    expert >= shape.experts || sum.slotToRow[slot] === NOWHERE ? NOWHERE : Math.floor(expert / perRank),
  );
  // A row whose expert is nowhere takes no part.
  return {
    ...sum,
    slotToRow: sum.slotToRow.map((row, slot) => (slotRank[slot] === NOWHERE ? NOWHERE : row)),
    slotRank,
  };
}

/** Rows that travel back, as bytes of bf16: one a slot, one a rank, or one a rank inside its node and one a node beyond. */
export function combineTraffic(spec: CombineSpec, { slotRank }: RankedSum): Tensors {
  return trafficTensors(spec, returned(countMessages(spec, slotRank, wayBack(spec))), messageBytes(spec));
}

/** The way of dispatch that the rows take backwards. */
export const wayBack = ({ reduce }: CombineSpec): Way =>
  (({ none: 'slot', local: 'rank', node: 'node' }) as const)[reduce];

/** Bytes of a row that travels back. */
export const messageBytes = ({ shape }: CombineSpec): number => 2 * shape.hidden;

/** The f32 bits of a value rounded to bf16, as it travels. */
function rounded(bits: number): number {
  return decodeBits(encodeBits(bits, formats.bf16, 'nearest-even', 'ieee'), formats.bf16);
}

/** docs/numerics.md, "Combine". */
export function combineReference(spec: CombineSpec, inputs: Tensors): Tensors {
  const operands = combineOperands(spec, inputs);
  return { x: combineSums(spec, operands), ...combineTraffic(spec, operands) };
}

function combineSums(spec: CombineSpec, operands: RankedSum): Tensor {
  const { hidden } = spec.shape;
  const tokens = spec.ranks * spec.shape.tokens;
  if (spec.reduce === 'none') return narrow(sumSlots(operands), 'bf16', [tokens, hidden]);
  const values = widen(operands.x);
  const sums = new Uint32Array(tokens * hidden);
  for (let token = 0; token < tokens; token++) {
    const groups = slotGroups(operands, token, spec.reduce === 'node' ? spec.gpusPerNode : undefined);
    for (let column = 0; column < hidden; column++) {
      sums[token * hidden + column] = sumGroups(operands, values, groups, column, spec.reduce === 'node');
    }
  }
  return narrow(sums, 'bf16', [tokens, hidden]);
}

/** A token's slots by node and rank, both ascending; by rank alone where there are no nodes. */
function slotGroups({ slotRank, topk }: RankedSum, token: number, gpusPerNode: number | undefined): number[][][] {
  const nodes = new Map<number, Map<number, number[]>>();
  for (let slot = token * topk; slot < (token + 1) * topk; slot++) {
    const rank = slotRank[slot]!;
    if (rank === NOWHERE) continue;
    const node = gpusPerNode === undefined ? rank : Math.floor(rank / gpusPerNode);
    const ranks = nodes.get(node) ?? new Map<number, number[]>();
    nodes.set(node, ranks);
    ranks.set(rank, [...(ranks.get(rank) ?? []), slot]);
  }
  const ascending = <V>(map: Map<number, V>): V[] => [...map].sort(([a], [b]) => a - b).map(([, value]) => value);
  return ascending(nodes).map(ascending);
}

function sumGroups(
  { slotToRow, weights, x }: RankedSum,
  values: Uint32Array,
  groups: readonly (readonly (readonly number[])[])[],
  column: number,
  byNode: boolean,
): number {
  const hidden = x.shape[1]!;
  let total = 0;
  for (const ranks of groups) {
    let node = 0;
    for (const slots of ranks) {
      let sum = 0;
      for (const slot of slots) {
        const value = values[slotToRow[slot]! * hidden + column]!;
        sum = weights === undefined ? addBits(value, sum) : fmaBits(value, weights[slot]!, sum);
      }
      node = byNode ? addBits(node, rounded(sum)) : rounded(sum);
    }
    total = addBits(total, byNode ? rounded(node) : node);
  }
  return total;
}
