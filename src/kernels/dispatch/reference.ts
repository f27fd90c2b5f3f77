import { inputError } from '../../errors.ts';
import { type DispatchSpec, dispatchedRows, type Topology } from '../../specs/kernels/dispatch.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import { quantizedOperand } from '../dequantize/reference.ts';
import { integers, NOWHERE, requireF32, requireIndices } from '../indices.ts';
import { gatherRows, type Placement, placeSlots, quantizedOfRows, quantizedRows } from '../permute/reference.ts';
import { formatOfTensor, quantizedTensors } from '../quantize/reference.ts';
import { requireShape, requireTensor } from '../tiles.ts';
import { messageBytes } from './spec.ts';
import { countMessages, type Traffic, trafficTensors, type Way } from './traffic.ts';

/** Experts and weights of the tokens of all ranks, checked. */
export interface Routed {
  /** Lanes [ranks * tokens, topk]. */
  readonly topkIdx: Uint32Array;
  /** f32 bits [ranks * tokens, topk]. */
  readonly weights: Uint32Array;
}

/** The routing of a spec; refuses a token that goes to more nodes than allowed, and an expert that has more slots than its block has rows. */
export function routedTokens(spec: DispatchSpec, inputs: Tensors): Routed {
  const { tokens, experts, topk } = spec.shape;
  const extents = [spec.ranks * tokens, topk];
  const topkIdx = requireIndices('topk_idx', requireTensor(inputs, 'topk_idx'), extents, experts);
  const weights = requireF32('topk_weights', requireTensor(inputs, 'topk_weights'), extents);
  for (let token = 0; token < extents[0]!; token++) {
    const nodes = new Set<number>();
    for (const expert of topkIdx.subarray(token * topk, (token + 1) * topk)) {
      if (expert < experts) nodes.add(Math.floor(rankOf(spec, expert) / spec.gpusPerNode));
    }
    if (nodes.size > spec.nodeLimit) {
      throw inputError(
        `token ${token} goes to ${nodes.size} nodes, and at most ${spec.nodeLimit} are allowed`,
        'too-many-nodes',
        `topk_idx, token ${token}`,
        'choose experts of fewer nodes (a gate with groups does), or raise nodeLimit',
      );
    }
  }
  if (spec.layout === 'low-latency') requireRoom(topkIdx, experts, extents[0]!);
  return { topkIdx, weights };
}

/** Tokens that name an expert twice could fill its block of `rows` rows past its end. */
function requireRoom(topkIdx: Uint32Array, experts: number, rows: number): void {
  const counts = new Uint32Array(experts);
  for (const expert of topkIdx) if (expert < experts) counts[expert]!++;
  const full = counts.findIndex((count) => count > rows);
  if (full < 0) return;
  throw inputError(
    `expert ${full} has ${counts[full]} slots, and its block has ${rows} rows`,
    'too-many-slots',
    'topk_idx',
    'name an expert once a token',
  );
}

/** The rank that has an expert. */
export function rankOf({ shape, ranks }: Topology, expert: number): number {
  return Math.floor(expert / (shape.experts / ranks));
}

/** Where a slot's token travels: to a rank, for the first slot of each rank alone (`normal`), or to the expert (`low-latency`). */
export function wireSlots(spec: DispatchSpec, topkIdx: Uint32Array): Uint32Array {
  if (spec.layout === 'low-latency') return topkIdx;
  const { topk } = spec.shape;
  return topkIdx.map((expert, slot) => {
    if (expert === NOWHERE || expert >= spec.shape.experts) return NOWHERE;
    const rank = rankOf(spec, expert);
    for (let earlier = slot - (slot % topk); earlier < slot; earlier++) {
      if (topkIdx[earlier]! < spec.shape.experts && rankOf(spec, topkIdx[earlier]!) === rank) return NOWHERE;
    }
    return rank;
  });
}

/** Rows of the wire's slots. `slotToRow` has a row for every slot: those of one rank share it in `normal`. */
export function placeDispatch(spec: DispatchSpec, topkIdx: Uint32Array): Placement {
  const { shape, ranks, layout } = spec;
  const tokens = ranks * shape.tokens;
  const stride = layout === 'normal' ? 0 : tokens;
  const groups = layout === 'normal' ? ranks : shape.experts;
  const placed = placeSlots(wireSlots(spec, topkIdx), { tokens, topk: shape.topk, experts: groups }, 1, stride);
  const rowToSlot = placed.rowToSlot.slice(0, dispatchedRows(spec));
  return { ...placed, rowToSlot, slotToRow: shareRows(spec, topkIdx, placed.slotToRow) };
}

function shareRows(spec: DispatchSpec, topkIdx: Uint32Array, slotToRow: Uint32Array): Uint32Array {
  if (spec.layout === 'low-latency') return slotToRow;
  const { topk, experts } = spec.shape;
  return slotToRow.map((row, slot) => {
    if (row !== NOWHERE || topkIdx[slot]! >= experts) return row;
    const rank = rankOf(spec, topkIdx[slot]!);
    for (let first = slot - (slot % topk); ; first++) {
      if (topkIdx[first]! < experts && rankOf(spec, topkIdx[first]!) === rank) return slotToRow[first]!;
    }
  });
}

/** (rank, token) of every row [rows, 2]; -1 for padding. */
export function sourcesOf({ shape }: Topology, rowToSlot: Uint32Array): Uint32Array {
  const source = new Uint32Array(2 * rowToSlot.length).fill(NOWHERE);
  rowToSlot.forEach((slot, row) => {
    if (slot === NOWHERE) return;
    const token = Math.floor(slot / shape.topk);
    source[2 * row] = Math.floor(token / shape.tokens);
    source[2 * row + 1] = token % shape.tokens;
  });
  return source;
}

/** What a rank sees of its rows' slots: its own experts counted from its first, and their weights; -1 and +0 for those of others. */
export function localSlots(spec: DispatchSpec, routed: Routed, rowToSlot: Uint32Array): Routed {
  const { topk, experts } = spec.shape;
  const perRank = experts / spec.ranks;
  const topkIdx = new Uint32Array(rowToSlot.length * topk).fill(NOWHERE);
  const weights = new Uint32Array(rowToSlot.length * topk);
  rowToSlot.forEach((slot, row) => {
    if (slot === NOWHERE) return;
    const rank = rankOf(spec, routed.topkIdx[slot]!);
    const first = slot - (slot % topk);
    for (let k = 0; k < topk; k++) {
      const expert = routed.topkIdx[first + k]!;
      if (expert >= experts || rankOf(spec, expert) !== rank) continue;
      topkIdx[row * topk + k] = expert - rank * perRank;
      weights[row * topk + k] = routed.weights[first + k]!;
    }
  });
  return { topkIdx, weights };
}

/** The rank of every slot; -1 for slots that go nowhere. */
export function slotRanks(spec: Topology, topkIdx: Uint32Array): Uint32Array {
  return topkIdx.map((expert) => (expert < spec.shape.experts ? rankOf(spec, expert) : NOWHERE));
}

/** How tokens travel in a layout. */
export const wayOf = ({ layout }: DispatchSpec): Way => (layout === 'normal' ? 'node' : 'slot');

/** What a low-latency rank needs to find a source's rows: how many slots each source has for each expert, and how many come before. */
export function sourceLayout(spec: DispatchSpec, topkIdx: Uint32Array): { count: Uint32Array; begin: Uint32Array } {
  const { experts, tokens, topk } = spec.shape;
  const count = new Uint32Array(spec.ranks * experts);
  topkIdx.forEach((expert, slot) => {
    if (expert < experts) count[Math.floor(slot / (tokens * topk)) * experts + expert]!++;
  });
  const begin = new Uint32Array(count.length);
  for (let i = experts; i < count.length; i++) begin[i] = begin[i - experts]! + count[i - experts]!;
  return { count, begin };
}

/** Everything but the rows themselves, as computed here or on a device. */
export interface DispatchMaps extends Traffic {
  readonly placement: Placement;
  readonly source: Uint32Array;
  /** `normal` */
  readonly local?: Routed;
  /** `low-latency` */
  readonly layout?: { readonly count: Uint32Array; readonly begin: Uint32Array };
}

/** The maps under the contract's names. `message` is the bytes of one. */
export function mapTensors(spec: DispatchSpec, maps: DispatchMaps, message: number): Tensors {
  const { shape, ranks } = spec;
  const { counts, offsets, rowToSlot, slotToRow } = maps.placement;
  return {
    counts: integers(counts, [counts.length]),
    ...(maps.local && {
      offsets: integers(offsets, [offsets.length]),
      recv_idx: integers(maps.local.topkIdx, [rowToSlot.length, shape.topk]),
      recv_weights: { dtype: 'F32', shape: [rowToSlot.length, shape.topk], codes: maps.local.weights },
    }),
    ...(maps.layout && {
      layout_count: integers(maps.layout.count, [ranks, shape.experts]),
      layout_begin: integers(maps.layout.begin, [ranks, shape.experts]),
    }),
    source: integers(maps.source, [rowToSlot.length, 2]),
    slot_to_row: integers(slotToRow, [ranks * shape.tokens, shape.topk]),
    ...trafficTensors(spec, maps, message),
  };
}

/** docs/numerics.md, "Dispatch". */
export function dispatchReference(spec: DispatchSpec, inputs: Tensors): Tensors {
  const { hidden, topk } = spec.shape;
  const tokens = spec.ranks * spec.shape.tokens;
  const routed = routedTokens(spec, inputs);
  const placement = placeDispatch(spec, routed.topkIdx);
  const { rowToSlot } = placement;
  const maps = mapTensors(
    spec,
    {
      placement,
      source: sourcesOf(spec, rowToSlot),
      ...(spec.layout === 'normal'
        ? { local: localSlots(spec, routed, rowToSlot) }
        : { layout: sourceLayout(spec, routed.topkIdx) }),
      ...countMessages(spec, slotRanks(spec, routed.topkIdx), wayOf(spec)),
    },
    messageBytes(spec, wireFormat(spec, inputs)),
  );
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

/** Format of the rows on the wire. */
export function wireFormat({ x }: DispatchSpec, inputs: Tensors): ReturnType<typeof formatOfTensor> {
  return 'scheme' in x ? x.scheme.format : formatOfTensor(requireTensor(inputs, 'x'));
}
