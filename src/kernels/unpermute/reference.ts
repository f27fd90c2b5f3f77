import { addBits, fmaBits } from '../../numerics/f32.ts';
import type { UnpermuteSpec } from '../../specs/types.ts';
import type { Tensor, Tensors } from '../../tensors/tensor.ts';
import { narrow } from '../dequantize/reference.ts';
import { NOWHERE, requireF32, requireIndices } from '../indices.ts';
import { widen } from '../quantize/reference.ts';
import { requireShape, requireTensor } from '../tiles.ts';

/** What a sum over slots reads. */
export interface SlotSum {
  /** Rows [rows, hidden] in high precision. */
  readonly x: Tensor;
  /** Row of every slot [tokens * topk]; -1 for none. */
  readonly slotToRow: Uint32Array;
  /** f32 bits of every slot's weight [tokens * topk]. */
  readonly weights?: Uint32Array;
  readonly topk: number;
}

/** The tensors of an unpermute spec, checked. */
export function unpermuteOperands(spec: UnpermuteSpec, inputs: Tensors): SlotSum {
  const { tokens, hidden, topk, rows } = spec.shape;
  const x = requireTensor(inputs, 'x');
  requireShape('x', x, [rows, hidden]);
  const slotToRow = requireIndices('slot_to_row', requireTensor(inputs, 'slot_to_row'), [tokens, topk], rows);
  const weighted = spec.topkWeights !== undefined || inputs.topk_weights !== undefined;
  if (!weighted) return { x, slotToRow, topk };
  const weights = requireF32('topk_weights', requireTensor(inputs, 'topk_weights'), [tokens, topk]);
  return { x, slotToRow, weights, topk };
}

/** f32 bits of every token's sum [tokens, hidden]: acc = fma(x, weight, acc) in the order of slots, from +0. */
export function sumSlots({ x, slotToRow, weights, topk }: SlotSum): Uint32Array {
  const hidden = x.shape[1]!;
  const values = widen(x);
  const sums = new Uint32Array((slotToRow.length / topk) * hidden);
  slotToRow.forEach((row, slot) => {
    if (row === NOWHERE) return;
    const first = Math.floor(slot / topk) * hidden;
    for (let column = 0; column < hidden; column++) {
      const value = values[row * hidden + column]!;
      const sum = sums[first + column]!;
      sums[first + column] = weights === undefined ? addBits(value, sum) : fmaBits(value, weights[slot]!, sum);
    }
  });
  return sums;
}

/** docs/numerics.md, "Permutation": the way back. */
export function unpermuteReference(spec: UnpermuteSpec, inputs: Tensors): Tensor {
  const operands = unpermuteOperands(spec, inputs);
  return narrow(sumSlots(operands), spec.output, [spec.shape.tokens, spec.shape.hidden]);
}
