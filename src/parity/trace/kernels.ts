import { dequantizeWords, quantizedOperand, tileFactors } from '../../kernels/dequantize/reference.ts';
import { formatOfTensor, type Quantized, widen } from '../../kernels/quantize/reference.ts';
import { requireTensor, tileGrid } from '../../kernels/tiles.ts';
import type { Scheme } from '../../numerics/scheme.ts';
import type {
  DequantizeSpec,
  GemmSpec,
  KernelName,
  Operand,
  QuantizeSpec,
  RequantizeSpec,
  ResolvedSpec,
} from '../../specs/types.ts';
import type { Tensor, Tensors } from '../../tensors/tensor.ts';
import { traceEncode } from './encode.ts';
import { add, type Rows, traceBlock, tracePromotion } from './product.ts';
import { type Derivation, type Source, storedScaleAt, traceCode, traceQuantized } from './quantize.ts';
import { f32, f32Value, type Quantity, quantity, Recorder, type TraceSection } from './steps.ts';

/** Derives elements of a spec's results; what all elements share is made once. */
export type Tracer = (tensor: string, coordinates: readonly number[]) => Derivation;

type SpecOf<K extends KernelName> = Extract<ResolvedSpec, { readonly kernel: K }>;

const tracers: { readonly [K in KernelName]: (spec: SpecOf<K>, inputs: Tensors) => Tracer } = {
  quantize: quantizeTracer,
  dequantize: dequantizeTracer,
  requantize: requantizeTracer,
  gemm: gemmTracer,
};

/** A tracer of a spec over its inputs. */
export function kernelTracer(spec: ResolvedSpec, inputs: Tensors): Tracer {
  return (tracers[spec.kernel] as (spec: ResolvedSpec, inputs: Tensors) => Tracer)(spec, inputs);
}

/** A high-precision tensor as the source of a quantization. */
function tensorSource(name: string, tensor: Tensor): Source {
  const [rows, columns] = tensor.shape as [number, number];
  const bits = widen(tensor);
  const format = formatOfTensor(tensor);
  const describe = (row: number, column: number): TraceSection => {
    const recorder = new Recorder();
    const i = row * columns + column;
    const element = quantity(`${name}[${row}, ${column}]`, tensor.codes[i]!, format);
    recorder.record('read', `${name}[${row}, ${column}]`, [element], f32('x', bits[i]!));
    return recorder.section('Input');
  };
  return { rows, columns, bits, describe };
}

function quantizeTracer(spec: QuantizeSpec, inputs: Tensors): Tracer {
  const source = tensorSource('x', requireTensor(inputs, 'x'));
  return (tensor, coordinates) => traceQuantized(source, spec.scheme, tensor, coordinates);
}

/** An operand's codes and scales with a derivation of each code's dequantized value. */
interface TracedOperand {
  readonly quantized: Quantized;
  /** Sections up to fl(code * scale) of element [row, column]. */
  value(row: number, column: number): Derivation;
}

function tracedOperand(operand: Operand, inputs: Tensors, rows: number, columns: number): TracedOperand {
  const { scheme } = operand;
  const quantized = quantizedOperand('x', operand, inputs, rows, columns);
  const x = inputs.x;
  const source = x === undefined || inputs.scales !== undefined ? undefined : tensorSource('x', x);
  const factors = tileFactors(quantized, scheme);
  const value = (row: number, column: number): Derivation => {
    const sections = source === undefined ? [] : [...traceCode(source, scheme, row, column).sections];
    const recorder = new Recorder();
    const code = quantity('code', quantized.codes.codes[row * columns + column]!, scheme.format);
    const scale = traceFactorOf(recorder, quantized, scheme, factors, row, column);
    const decoded = recorder.record('decode', `${scheme.format} to f32`, [code], f32Value('code', Number(code.value)));
    const result = recorder.multiply('v', decoded, scale);
    return { sections: [...sections, recorder.section('Value of the code')], result };
  };
  return { quantized, value };
}

/** The dequantizing factor of the tile at [row, column], with the stored scale it comes from. */
function traceFactorOf(
  recorder: Recorder,
  quantized: Quantized,
  scheme: Scheme,
  factors: Uint32Array,
  row: number,
  column: number,
  name = 'scale',
): Quantity {
  const [rows, columns] = quantized.codes.shape as [number, number];
  const grid = tileGrid(rows, columns, scheme);
  const tile = Math.floor(row / grid.tileRows) * grid.columns + Math.floor(column / grid.tileColumns);
  const factor = f32(name, factors[tile]!);
  const { type, recipe } = scheme.scale;
  if (type === 'f32') return factor;
  const stored = quantity('stored', storedScaleAt(quantized.scales, grid, scheme, row, column), type);
  const tensorScale = recipe === 'nvfp4' ? [f32('tensor scale', quantized.tensorScale?.codes[0] ?? 0x3f800000)] : [];
  const formula = recipe === 'nvfp4' ? 'fl(stored * tensor scale)' : `${type} to f32`;
  return recorder.record(recipe === 'nvfp4' ? 'multiply' : 'decode', formula, [stored, ...tensorScale], factor);
}

function dequantizeTracer(spec: DequantizeSpec, inputs: Tensors): Tracer {
  const { rows, columns } = spec.shape;
  const operand = tracedOperand(spec.x, inputs, rows, columns);
  return (_, [row, column]) => {
    const { sections, result } = operand.value(row!, column!);
    return traceOutput(sections, result, spec.output);
  };
}

/** Rounds an f32 to the output format. */
function traceOutput(sections: readonly TraceSection[], value: Quantity, output: 'bf16' | 'f16' | 'f32'): Derivation {
  if (output === 'f32') return { sections, result: value };
  const recorder = new Recorder();
  const result = traceEncode(
    recorder,
    value,
    0,
    { format: output, rounding: 'nearest-even', overflow: 'ieee' },
    'result',
  );
  return { sections: [...sections, recorder.section('Output')], result };
}

function requantizeTracer(spec: RequantizeSpec, inputs: Tensors): Tracer {
  const { rows, columns } = spec.shape;
  const operand = tracedOperand(spec.x, inputs, rows, columns);
  const source: Source = {
    rows,
    columns,
    bits: dequantizeWords(operand.quantized, spec.x.scheme),
    describe: (row, column) => {
      const steps = operand.value(row, column).sections.flatMap((section) => section.steps);
      return { title: 'Input', text: `the value that ${spec.x.scheme.format} holds`, steps };
    },
  };
  return (tensor, coordinates) => traceQuantized(source, spec.to, tensor, coordinates);
}

function gemmTracer(spec: GemmSpec, inputs: Tensors): Tracer {
  const { m, n, k } = spec.shape;
  const a = quantizedOperand('a', spec.a, inputs, m, k);
  const b = quantizedOperand('b', spec.b, inputs, n, k);
  const factors = { a: tileFactors(a, spec.a.scheme), b: tileFactors(b, spec.b.scheme) };
  return (_, [row, column]) => {
    const rows: Rows = {
      a: a.codes.codes.subarray(row! * k, row! * k + k),
      b: b.codes.codes.subarray(column! * k, column! * k + k),
      formats: [spec.a.scheme.format, spec.b.scheme.format],
    };
    const sections: TraceSection[] = [];
    let accumulator = f32Value('acc', 0);
    const every = spec.arithmetic.promoteEvery === 0 ? k : spec.arithmetic.promoteEvery;
    for (let start = 0; start < k; start += every) {
      const count = Math.min(every, k - start);
      const block = traceBlock(spec.arithmetic.model, rows, start, count);
      const recorder = new Recorder();
      recorder.steps.push(...block.steps);
      const sa = traceFactorOf(recorder, a, spec.a.scheme, factors.a, row!, start, 'sa');
      const sb = traceFactorOf(recorder, b, spec.b.scheme, factors.b, column!, start, 'sb');
      accumulator = tracePromotion(recorder, spec.arithmetic, accumulator, block.partial, sa, sb);
      sections.push(recorder.section(`Block k = ${start} to ${start + count - 1}`));
    }
    const value = inputs.c === undefined ? accumulator : addC(sections, inputs.c, accumulator, row! * n + column!);
    return traceOutput(sections, value, spec.output);
  };
}

/** d = fl(c + acc), in a section of its own. */
function addC(sections: TraceSection[], c: Tensor, product: Quantity, index: number): Quantity {
  const recorder = new Recorder();
  const element = f32('c', widen({ ...c, codes: c.codes.subarray(index, index + 1) })[0]!);
  const sum = add(recorder, 'd', element, product);
  sections.push(recorder.section('Accumulate onto C'));
  return sum;
}
