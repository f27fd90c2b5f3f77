import type { Scheme } from '../../numerics/scheme.ts';
import { type PermuteShape, type PermuteSpec, permutedRows } from '../../specs/kernels/permute.ts';
import type { Codes, Tensors } from '../../tensors/tensor.ts';
import { quantizedOperand } from '../dequantize/reference.ts';
import { integers, NOWHERE, requireIndices } from '../indices.ts';
import { type Quantized, quantizedTensors } from '../quantize/reference.ts';
import { loadScales, requireShape, requireTensor, storeScales, tileGrid } from '../tiles.ts';

/** Where slots go: docs/numerics.md, "Permutation". Lanes of I32 tensors. */
export interface Placement {
  /** Rows of each expert [experts]. */
  readonly counts: Uint32Array;
  /** First row of each expert, and the end of the last [experts + 1]; multiples of the alignment. */
  readonly offsets: Uint32Array;
  /** Slot (token * topk + slot) of every row [rows]; -1 for padding. */
  readonly rowToSlot: Uint32Array;
  /** Row of every slot [tokens * topk]; -1 for none. */
  readonly slotToRow: Uint32Array;
}

/** Rows of a placement: those of every block, or enough for every routing. */
export function placedRows(shape: Omit<PermuteShape, 'hidden'>, alignment: number, stride: number): number {
  return stride > 0 ? shape.experts * stride : permutedRows(shape, alignment);
}

/**
 * Places slots by expert, in the order of slots inside an expert.
 * @param topkIdx lanes of the experts [tokens, topk]; negative ones go nowhere
 * @param stride rows of a block that each expert has, whether it fills it or not; 0: experts lie one behind the other
 */
export function placeSlots(
  topkIdx: Uint32Array,
  shape: Omit<PermuteShape, 'hidden'>,
  alignment: number,
  stride = 0,
): Placement {
  const counts = new Uint32Array(shape.experts);
  for (const expert of topkIdx) if (expert < shape.experts) counts[expert]!++;
  const offsets = new Uint32Array(shape.experts + 1);
  for (let expert = 0; expert < shape.experts; expert++) {
    const rows = stride || Math.ceil(counts[expert]! / alignment) * alignment;
    offsets[expert + 1] = offsets[expert]! + rows;
  }
  const next = offsets.slice();
  const rowToSlot = new Uint32Array(placedRows(shape, alignment, stride)).fill(NOWHERE);
  const slotToRow = new Uint32Array(topkIdx.length).fill(NOWHERE);
  for (let slot = 0; slot < topkIdx.length; slot++) {
    const expert = topkIdx[slot]!;
    if (expert >= shape.experts) continue;
    const row = next[expert]!++;
    slotToRow[slot] = row;
    rowToSlot[row] = slot;
  }
  return { counts, offsets, rowToSlot, slotToRow };
}

/** Row r of the result is row floor(rowToSlot[r] / topk) of `codes` [.., columns]; zeros where there is none. */
export function gatherRows<C extends Codes>(codes: C, columns: number, rowToSlot: Uint32Array, topk: number): C {
  const Lanes = codes.constructor as new (length: number) => C;
  const moved = new Lanes(rowToSlot.length * columns);
  rowToSlot.forEach((slot, row) => {
    if (slot === NOWHERE) return;
    const token = Math.floor(slot / topk);
    moved.set(codes.subarray(token * columns, (token + 1) * columns) as never, row * columns);
  });
  return moved;
}

/** A row of every token of a quantized matrix: its codes and, beside them, its scales in row-major order. */
export interface QuantizedRows {
  readonly codes: Codes;
  readonly scales: Codes;
  /** Scales a row. */
  readonly scaleColumns: number;
}

/** A quantized matrix by rows, its scales out of the scheme's layout. Tiles have one row. */
export function quantizedRows(quantized: Quantized, scheme: Scheme): QuantizedRows {
  const [tokens, hidden] = quantized.codes.shape as [number, number];
  const grid = tileGrid(tokens, hidden, scheme);
  const scales = loadScales(quantized.scales, grid, scheme);
  return { codes: quantized.codes.codes, scales, scaleColumns: grid.columns };
}

/** The way back, for `rows` moved rows of the same matrix. */
export function quantizedOfRows(
  source: Quantized,
  scheme: Scheme,
  rows: number,
  moved: Omit<QuantizedRows, 'scaleColumns'>,
): Quantized {
  const hidden = source.codes.shape[1]!;
  const scales = storeScales(moved.scales, tileGrid(rows, hidden, scheme), scheme);
  return { ...source, codes: { ...source.codes, shape: [rows, hidden], codes: moved.codes }, scales };
}

/** The maps of a placement under the contract's names. */
export function placementTensors(placement: Placement, { tokens, topk }: Omit<PermuteShape, 'hidden'>): Tensors {
  const { counts, offsets, rowToSlot, slotToRow } = placement;
  return {
    counts: integers(counts, [counts.length]),
    offsets: integers(offsets, [offsets.length]),
    row_to_slot: integers(rowToSlot, [rowToSlot.length]),
    slot_to_row: integers(slotToRow, [tokens, topk]),
  };
}

/** docs/numerics.md, "Permutation". */
export function permuteReference(spec: PermuteSpec, inputs: Tensors): Tensors {
  const { tokens, hidden, experts, topk } = spec.shape;
  const topkIdx = requireIndices('topk_idx', requireTensor(inputs, 'topk_idx'), [tokens, topk], experts);
  const placement = placeSlots(topkIdx, spec.shape, spec.alignment);
  const { rowToSlot } = placement;
  const maps = placementTensors(placement, spec.shape);
  if (!('scheme' in spec.x)) {
    const x = requireTensor(inputs, 'x');
    requireShape('x', x, [tokens, hidden]);
    const codes = gatherRows(x.codes, hidden, rowToSlot, topk);
    return { x: { dtype: x.dtype, shape: [rowToSlot.length, hidden], codes }, ...maps };
  }
  const quantized = quantizedOperand('x', spec.x, inputs, tokens, hidden);
  const { codes, scales, scaleColumns } = quantizedRows(quantized, spec.x.scheme);
  const moved = {
    codes: gatherRows(codes, hidden, rowToSlot, topk),
    scales: gatherRows(scales, scaleColumns, rowToSlot, topk),
  };
  return { ...quantizedTensors(quantizedOfRows(quantized, spec.x.scheme, rowToSlot.length, moved)), ...maps };
}
