import { widen } from '../../kernels/quantize/reference.ts';
import {
  gradientWords,
  type SwigluBackwardOperands,
  sumColumns,
  swigluBackwardOperands,
} from '../../kernels/swiglu-backward/reference.ts';
import {
  isPadding,
  type SwigluOperands,
  swigluOperands,
  swigluWords,
} from '../../kernels/swiglu-quantize/reference.ts';
import { sigmoidBits } from '../../numerics/exp.ts';
import { fmaBits } from '../../numerics/f32.ts';
import { clampGate, clampUp, gateIsClamped, upIsClamped } from '../../numerics/swiglu.ts';
import type { SwigluFields } from '../../specs/kernels/swiglu-quantize.ts';
import type { SwigluBackwardSpec, SwigluQuantizeSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import { traceOutput } from './operand.ts';
import { add } from './product.ts';
import { type Derivation, type Source, type Tracer, traceQuantized } from './quantize.ts';
import { codeOf, f32, f32Value, type Quantity, Recorder } from './steps.ts';

/** Derives elements of act = silu(gate) * up. */
export function swigluQuantizeTracer(spec: SwigluQuantizeSpec, inputs: Tensors): Tracer {
  const operands = swigluOperands(spec, inputs);
  const pass = swigluPass(operands);
  return resultTracer(
    spec,
    spec.shape.inter,
    () => swigluWords(operands),
    (recorder, row, column) => {
      const act = pass.act(recorder, row, column);
      return pass.weight(row) === undefined ? act : recorder.multiply('act', act, pass.weight(row)!);
    },
    pass.padding,
  );
}

/** Derives elements of the gradients. */
export function swigluBackwardTracer(spec: SwigluBackwardSpec, inputs: Tensors): Tracer {
  const operands = swigluBackwardOperands(spec, inputs);
  const pass = swigluPass(operands);
  const grad = widen(operands.grad);
  const { inter } = operands;
  const element: Element = (recorder, row, column) => {
    const at = column % inter;
    const incoming = f32(`grad[${row}, ${at}]`, grad[row * inter + at]!);
    const weight = pass.weight(row);
    const weighted = weight === undefined ? incoming : recorder.multiply('g', incoming, weight);
    return pass.gradient(recorder, row, at, weighted, column < inter ? 'gate' : 'up');
  };
  const dx = resultTracer(spec, 2 * inter, () => gradientWords(operands), element, pass.padding);
  return (tensor, coordinates) =>
    tensor === 'dweights' ? traceWeight(operands, pass, grad, coordinates[0]!) : dx(tensor, coordinates);
}

/** Writes the steps of an element down and gives its f32. */
type Element = (recorder: Recorder, row: number, column: number) => Quantity;

type Pass = ReturnType<typeof swigluPass>;

/** The operations of both passes on the elements of their tensors. */
function swigluPass(operands: SwigluOperands) {
  const { inter, weights, clamp } = operands;
  const x = widen(operands.x);
  const gateOf = (row: number, column: number): number => x[2 * row * inter + column]!;
  const upOf = (row: number, column: number): number => x[(2 * row + 1) * inter + column]!;
  const clamped = (recorder: Recorder, name: string, bits: number, cut: number): Quantity => {
    const value = f32(name, bits);
    return cut === bits ? value : recorder.record('max', `${name} cut at the clamp`, [value], f32(name, cut));
  };
  const gate = (recorder: Recorder, row: number, column: number): Quantity =>
    clamped(recorder, 'gate', gateOf(row, column), clampGate(gateOf(row, column), clamp));
  const up = (recorder: Recorder, row: number, column: number): Quantity =>
    clamped(recorder, 'up', upOf(row, column), clampUp(upOf(row, column), clamp));
  const sigmoid = (recorder: Recorder, g: Quantity): Quantity =>
    recorder.record('sigmoid', 'sigmoid(gate)', [g], f32('sigmoid', sigmoidBits(codeOf(g))));
  return {
    padding: (row: number): boolean => isPadding(operands, row),
    weight: (row: number): Quantity | undefined => (weights === undefined ? undefined : f32('weight', weights[row]!)),
    act: (recorder: Recorder, row: number, column: number): Quantity => {
      const g = gate(recorder, row, column);
      const silu = recorder.multiply('silu', g, sigmoid(recorder, g));
      return recorder.multiply('act', silu, up(recorder, row, column));
    },
    gradient: (recorder: Recorder, row: number, column: number, grad: Quantity, of: 'gate' | 'up'): Quantity => {
      const cut = of === 'gate' ? gateIsClamped(gateOf(row, column), clamp) : upIsClamped(upOf(row, column), clamp);
      if (cut) return recorder.record('read', `${of} was cut at the clamp: no gradient`, [], f32Value('dx', 0));
      const g = gate(recorder, row, column);
      const s = sigmoid(recorder, g);
      const scaled = recorder.multiply('g sigmoid', grad, s);
      if (of === 'up') return recorder.multiply('dx', scaled, g);
      const outer = recorder.multiply('g sigmoid up', scaled, up(recorder, row, column));
      const one = f32Value('1', 1);
      const rest = add(recorder, '1 - sigmoid', one, f32('-sigmoid', (codeOf(s) ^ 0x80000000) >>> 0));
      const slope = recorder.record(
        'fma',
        'fma(gate, 1 - sigmoid, 1)',
        [g, rest, one],
        f32('slope', fmaBits(codeOf(g), codeOf(rest), codeOf(one))),
      );
      return recorder.multiply('dx', outer, slope);
    },
  };
}

/** Elements that are f32 values before the spec's scheme or output rounds them; `words` gives those of all. */
function resultTracer(
  spec: SwigluFields,
  columns: number,
  words: () => Uint32Array,
  element: Element,
  padding: (row: number) => boolean,
): Tracer {
  const { rows } = spec.shape;
  const value = (row: number, column: number): Derivation => {
    const recorder = new Recorder();
    const result = padding(row)
      ? recorder.record('read', 'a row without a slot is zero', [], f32Value('act', 0))
      : element(recorder, row, column);
    return { sections: [recorder.section('Value')], result };
  };
  if (spec.scheme === undefined) {
    return (_, [row, column]) => {
      const { sections, result } = value(row!, column!);
      return traceOutput(sections, result, spec.output ?? 'bf16');
    };
  }
  const { scheme } = spec;
  const bits = words();
  const describe: Source['describe'] = (row, column) => value(row, column).sections[0]!;
  return (tensor, coordinates) => traceQuantized({ rows, columns, bits, describe }, scheme, tensor, coordinates);
}

/** The gradient of a row's weight: blocks of columns are summed, then their sums. */
function traceWeight({ inter }: SwigluBackwardOperands, pass: Pass, grad: Uint32Array, row: number): Derivation {
  const recorder = new Recorder();
  let total = f32Value('total', 0);
  for (let start = 0; start < inter && !pass.padding(row); start += sumColumns) {
    let sum = f32Value('sum', 0);
    for (let column = start; column < Math.min(start + sumColumns, inter); column++) {
      const act = pass.act(recorder, row, column);
      const incoming = f32(`grad[${row}, ${column}]`, grad[row * inter + column]!);
      const next = f32('sum', fmaBits(codeOf(incoming), codeOf(act), codeOf(sum)));
      sum = recorder.record('fma', 'fma(grad, act, sum)', [incoming, act, sum], next);
    }
    total = add(recorder, 'total', total, sum);
  }
  return { sections: [recorder.section('Gradient of the weight')], result: total };
}
