import { combineOperands, combineTraffic } from '../../kernels/combine/reference.ts';
import {
  localSlots,
  mapTensors,
  placeDispatch,
  routedTokens,
  slotRanks,
  sourceLayout,
  sourcesOf,
  wayOf,
  wireFormat,
} from '../../kernels/dispatch/reference.ts';
import { messageBytes } from '../../kernels/dispatch/spec.ts';
import { countMessages } from '../../kernels/dispatch/traffic.ts';
import { NOWHERE } from '../../kernels/indices.ts';
import { widen } from '../../kernels/quantize/reference.ts';
import { fmaBits } from '../../numerics/f32.ts';
import type { CombineSpec, DispatchSpec } from '../../specs/types.ts';
import type { Tensor, Tensors } from '../../tensors/tensor.ts';
import { traceEncode } from './encode.ts';
import { traceOutput } from './operand.ts';
import { movedRowTracer } from './permute.ts';
import { add } from './product.ts';
import type { Tracer } from './quantize.ts';
import { codeOf, f32, f32Value, type Quantity, quantity, Recorder, type TraceSection } from './steps.ts';

/** What an element of a map says, in words. */
const meanings: Readonly<Record<string, string>> = {
  counts: 'rows received',
  offsets: 'first row of the rank',
  recv_idx: 'expert of the slot, counted from the first of the rank; -1 on another rank',
  recv_weights: 'weight of the slot; 0 on another rank',
  layout_count: 'slots of the source rank for the expert',
  layout_begin: 'slots of earlier source ranks for the expert',
  source: 'rank and token that the row comes from',
  slot_to_row: 'row of the slot',
  ib_bytes: 'messages between the nodes times their bytes',
  nvlink_bytes: 'messages between the ranks times their bytes',
};

/** Derives elements of a dispatch: rows step by step, maps by what they count. */
export function dispatchTracer(spec: DispatchSpec, inputs: Tensors): Tracer {
  const routed = routedTokens(spec, inputs);
  const placement = placeDispatch(spec, routed.topkIdx);
  const { rowToSlot } = placement;
  const of =
    spec.layout === 'normal'
      ? { local: localSlots(spec, routed, rowToSlot) }
      : { layout: sourceLayout(spec, routed.topkIdx) };
  const traffic = countMessages(spec, slotRanks(spec, routed.topkIdx), wayOf(spec));
  const maps = { placement, source: sourcesOf(spec, rowToSlot), ...of, ...traffic };
  const tensors = mapTensors(spec, maps, messageBytes(spec, wireFormat(spec, inputs)));
  const row = movedRowTracer(spec.x, spec.shape.topk, inputs, rowToSlot);
  return (name, coordinates) => {
    const tensor = tensors[name];
    if (tensor === undefined) return row(name, coordinates);
    return traceMap(name, tensor, coordinates);
  };
}

/** An element of a map, by what it counts. */
function traceMap(name: string, tensor: Tensor, coordinates: readonly number[]): ReturnType<Tracer> {
  const recorder = new Recorder();
  const index = coordinates.reduce((at, coordinate, axis) => at * tensor.shape[axis]! + coordinate, 0);
  const element = quantity(name, tensor.codes[index]!, tensor.dtype === 'I32' ? 'i32' : 'f32');
  const result = recorder.record('count', meanings[name] ?? name, [], element);
  return { sections: [recorder.section('Map')], result };
}

/** Derives elements of a combine: one fma a slot, a rounding a level. */
export function combineTracer(spec: CombineSpec, inputs: Tensors): Tracer {
  const operands = combineOperands(spec, inputs);
  const { slotRank, slotToRow, weights, topk } = operands;
  const values = widen(operands.x);
  const traffic = combineTraffic(spec, operands);
  return (name, coordinates) => {
    const map = traffic[name];
    if (map !== undefined) return traceMap(name, map, coordinates);
    const [token, column] = coordinates;
    const sections: TraceSection[] = [];
    const slots = Array.from({ length: topk }, (_, k) => token! * topk + k).filter(
      (slot) => slotRank[slot] !== NOWHERE,
    );
    const sumOf = (recorder: Recorder, of: readonly number[]): Quantity =>
      of.reduce(
        (sum, slot) => {
          const row = slotToRow[slot]!;
          const value = f32(`x[${row}, ${column}]`, values[row * spec.shape.hidden + column!]!);
          const weight = f32('weight', weights?.[slot] ?? 0x3f800000);
          const next = f32('acc', fmaBits(codeOf(value), codeOf(weight), codeOf(sum)));
          return recorder.record('fma', `fma(${value.name}, weight, acc)`, [value, weight, sum], next);
        },
        f32Value('acc', 0),
      );
    const narrowed = (recorder: Recorder, name: string, sum: Quantity): Quantity => {
      const encoding = { format: 'bf16' as const, rounding: 'nearest-even' as const, overflow: 'ieee' as const };
      const code = traceEncode(recorder, sum, 0, encoding, name);
      return recorder.record(
        'decode',
        'bf16 to f32',
        [code],
        f32(name, (codeOf(code) << 16) >>> 0 === 0x7fff0000 ? 0x7fffffff : (codeOf(code) << 16) >>> 0),
      );
    };
    const recorder = new Recorder();
    if (spec.reduce === 'none') {
      const sum = sumOf(recorder, slots);
      return traceOutput([recorder.section('Sum over slots')], sum, 'bf16');
    }
    const ranks = [...new Set(slots.map((slot) => slotRank[slot]!))].sort((a, b) => a - b);
    const nodeOf = (rank: number): number => (spec.reduce === 'node' ? Math.floor(rank / spec.gpusPerNode) : rank);
    let total = f32Value('total', 0);
    for (const node of new Set(ranks.map(nodeOf))) {
      let sum = f32Value('node', 0);
      for (const rank of ranks.filter((it) => nodeOf(it) === node)) {
        const own = sumOf(
          recorder,
          slots.filter((slot) => slotRank[slot] === rank),
        );
        const partial = narrowed(recorder, `rank ${rank}`, own);
        sum = spec.reduce === 'node' ? add(recorder, 'node', sum, partial) : partial;
      }
      total = add(recorder, 'total', total, spec.reduce === 'node' ? narrowed(recorder, `node ${node}`, sum) : sum);
    }
    sections.push(recorder.section('Sums of the levels'));
    return traceOutput(sections, total, 'bf16');
  };
}
