import { NOWHERE, requireIndices } from '../../kernels/indices.ts';
import { type Placement, placeSlots } from '../../kernels/permute/reference.ts';
import { formatOfTensor, widen } from '../../kernels/quantize/reference.ts';
import { requireTensor } from '../../kernels/tiles.ts';
import { unpermuteOperands } from '../../kernels/unpermute/reference.ts';
import { fmaBits } from '../../numerics/f32.ts';
import type { FormatName } from '../../numerics/formats.ts';
import type { MovedRows } from '../../specs/kernels/permute.ts';
import type { PermuteSpec, UnpermuteSpec } from '../../specs/types.ts';
import type { Tensor, Tensors } from '../../tensors/tensor.ts';
import { tensorSource, traceOutput } from './operand.ts';
import { type Derivation, type Tracer, traceQuantized } from './quantize.ts';
import { codeOf, f32, f32Value, i32, type Quantity, quantity, Recorder } from './steps.ts';

/** Derives elements of a permutation: where a slot goes, and what stands in a row. */
export function permuteTracer(spec: PermuteSpec, inputs: Tensors): Tracer {
  const { tokens, experts, topk } = spec.shape;
  const topkIdx = requireIndices('topk_idx', requireTensor(inputs, 'topk_idx'), [tokens, topk], experts);
  const placement = placeSlots(topkIdx, spec.shape, spec.alignment);
  const row = movedRowTracer(spec.x, topk, inputs, placement.rowToSlot);
  return (tensor, coordinates) => {
    switch (tensor) {
      case 'counts':
        return traceCount(topkIdx, coordinates[0]!);
      case 'offsets':
        return traceOffset(placement, spec.alignment, coordinates[0]!);
      case 'slot_to_row':
        return traceSlot(topkIdx, placement, coordinates[0]! * topk + coordinates[1]!);
      case 'row_to_slot':
        return traceRow(topkIdx, placement, coordinates[0]!);
      default:
        return row(tensor, coordinates);
    }
  };
}

function traceCount(topkIdx: Uint32Array, expert: number): Derivation {
  const recorder = new Recorder();
  const slots = topkIdx.reduce((count, chosen) => count + (chosen === expert ? 1 : 0), 0);
  const result = recorder.record('count', `slots that chose expert ${expert}`, [], i32('count', slots));
  return { sections: [recorder.section('Rows of the expert')], result };
}

function traceOffset({ counts }: Placement, alignment: number, expert: number): Derivation {
  const recorder = new Recorder();
  let start = i32('offset 0', 0);
  for (let before = 0; before < expert; before++) {
    const count = i32(`count ${before}`, counts[before]!);
    const end = i32(`offset ${before + 1}`, codeOf(start) + Math.ceil(counts[before]! / alignment) * alignment);
    start = recorder.record('add', `offset + count, up to a multiple of ${alignment}`, [start, count], end);
  }
  return { sections: [recorder.section('First row of the expert')], result: start };
}

/** The row of a slot: its expert's first row and the slots of the same expert before it. */
function traceSlot(topkIdx: Uint32Array, { offsets }: Placement, slot: number): Derivation {
  const recorder = new Recorder();
  const expert = topkIdx[slot]!;
  const chosen = i32('expert', expert);
  recorder.record('read', `topk_idx of slot ${slot}`, [], chosen);
  if (expert >= 0x80000000) {
    const result = recorder.record('place', 'no expert, no row', [chosen], i32('row', -1));
    return { sections: [recorder.section('Row of the slot')], result };
  }
  let before = 0;
  for (let earlier = 0; earlier < slot; earlier++) if (topkIdx[earlier] === expert) before++;
  const rank = recorder.record('count', 'earlier slots of the same expert', [], i32('rank', before));
  const start = i32('offset', offsets[expert]!);
  const result = recorder.record('place', 'offset + rank', [start, rank], i32('row', offsets[expert]! + before));
  return { sections: [recorder.section('Row of the slot')], result };
}

/** The slot of a row: the expert whose rows these are, and its slot of that rank. */
function traceRow(topkIdx: Uint32Array, { counts, offsets }: Placement, row: number): Derivation {
  const recorder = new Recorder();
  const expert = offsets.findLastIndex((start, i) => i < counts.length && start <= row && counts[i]! > 0);
  const rank = expert < 0 ? 0 : row - offsets[expert]!;
  if (expert < 0 || rank >= counts[expert]!) {
    const result = recorder.record('place', 'past the last row of an expert: padding', [], i32('slot', -1));
    return { sections: [recorder.section('Slot of the row')], result };
  }
  let slot = -1;
  for (let left = rank; left >= 0; left--) slot = topkIdx.indexOf(expert, slot + 1);
  const result = recorder.record('place', `slot ${rank} of expert ${expert}, from 0`, [], i32('slot', slot));
  return { sections: [recorder.section('Slot of the row')], result };
}

/** Elements of the moved rows: those of the token that the row holds. */
export function movedRowTracer(x: MovedRows, topk: number, inputs: Tensors, rowToSlot: Uint32Array): Tracer {
  const derive = sourceTracer(x, inputs);
  const scaled = 'scheme' in x ? x.scheme.scale : undefined;
  return (tensor, coordinates) => {
    if (tensor === 'tensor_scale') return derive(tensor, coordinates);
    // Scales in other layouts have the rows along their last extent.
    const axis = tensor === 'scales' && scaled?.layout !== 'row-major' ? 1 : 0;
    const row = coordinates[axis]!;
    const slot = rowToSlot[row] ?? NOWHERE;
    const recorder = new Recorder();
    if (slot === NOWHERE) {
      const padding = recorder.record('read', 'a row without a slot is zero', [], quantity(tensor, 0, 'f32'));
      return { sections: [recorder.section('Padding')], result: padding };
    }
    const token = Math.floor(slot / topk);
    recorder.record('place', `row ${row} holds slot ${slot}, of token ${token}`, [], i32('token', token));
    const { sections, result } = derive(
      tensor,
      coordinates.map((at, i) => (i === axis ? token : at)),
    );
    return { sections: [recorder.section('Token of the row'), ...sections], result };
  };
}

/** Elements before they are moved: read, or quantized. */
function sourceTracer(x: MovedRows, inputs: Tensors): Tracer {
  if ('scheme' in x && inputs.x !== undefined) {
    const source = tensorSource('x', requireTensor(inputs, 'x'));
    return (tensor, coordinates) => traceQuantized(source, x.scheme, tensor, coordinates);
  }
  return (tensor, coordinates) => readElement(tensor, requireTensor(inputs, tensor), coordinates);
}

function readElement(name: string, tensor: Tensor, coordinates: readonly number[]): Derivation {
  const recorder = new Recorder();
  const index = coordinates.reduce((at, coordinate, axis) => at * tensor.shape[axis]! + coordinate, 0);
  const format: FormatName | 'i32' = tensor.dtype === 'I32' ? 'i32' : formatOfTensor(tensor);
  const element = quantity(name, tensor.codes[index]!, format);
  const result = recorder.record('read', `${name}[${coordinates.join(', ')}]`, [], element);
  return { sections: [recorder.section('Element')], result };
}

/** Derives an element of an unpermutation: one fma a slot. */
export function unpermuteTracer(spec: UnpermuteSpec, inputs: Tensors): Tracer {
  const { x, slotToRow, weights, topk } = unpermuteOperands(spec, inputs);
  const values = widen(x);
  return (_, [token, column]) => {
    const recorder = new Recorder();
    let sum: Quantity = f32Value('acc', 0);
    for (let slot = token! * topk; slot < (token! + 1) * topk; slot++) {
      const row = slotToRow[slot]!;
      if (row === NOWHERE) continue;
      const value = f32(`x[${row}, ${column}]`, values[row * spec.shape.hidden + column!]!);
      const weight = f32('weight', weights?.[slot] ?? 0x3f800000);
      const next = f32('acc', fmaBits(codeOf(value), codeOf(weight), codeOf(sum)));
      sum = recorder.record('fma', `fma(${value.name}, weight, acc)`, [value, weight, sum], next);
    }
    return traceOutput([recorder.section('Sum over slots')], sum, spec.output);
  };
}
