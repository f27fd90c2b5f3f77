import { quantizedOperand, tileFactors } from '../../kernels/dequantize/reference.ts';
import type { ProductSpec } from '../../kernels/gemm/reference.ts';
import { type Quantized, widen } from '../../kernels/quantize/reference.ts';
import type { GemmSpec } from '../../specs/types.ts';
import type { Tensor, Tensors } from '../../tensors/tensor.ts';
import { traceFactorOf, traceOutput } from './operand.ts';
import { add, type Rows, traceBlock, tracePromotion } from './product.ts';
import type { Derivation, Tracer } from './quantize.ts';
import { f32, f32Value, type Quantity, Recorder, type TraceSection } from './steps.ts';

/** Derives elements of a gemm's D. */
export function gemmTracer(spec: GemmSpec, inputs: Tensors): Tracer {
  const { m, n, k } = spec.shape;
  const a = quantizedOperand('a', spec.a, inputs, m, k);
  const b = quantizedOperand('b', spec.b, inputs, n, k);
  const derive = productTracer(spec, a, b, inputs.c);
  return (_, [row, column]) => derive(row!, column!);
}

/** Derives element [row, column] of D = C + A * B^T of quantized operands. */
export function productTracer(
  spec: ProductSpec,
  a: Quantized,
  b: Quantized,
  c?: Tensor,
): (row: number, column: number) => Derivation {
  const { n, k } = spec.shape;
  const factors = { a: tileFactors(a, spec.a.scheme), b: tileFactors(b, spec.b.scheme) };
  return (row, column) => {
    const rows: Rows = {
      a: a.codes.codes.subarray(row * k, row * k + k),
      b: b.codes.codes.subarray(column * k, column * k + k),
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
      const sa = traceFactorOf(recorder, a, spec.a.scheme, factors.a, row, start, 'sa');
      const sb = traceFactorOf(recorder, b, spec.b.scheme, factors.b, column, start, 'sb');
      accumulator = tracePromotion(recorder, spec.arithmetic, accumulator, block.partial, sa, sb);
      sections.push(recorder.section(`Block k = ${start} to ${start + count - 1}`));
    }
    const value = c === undefined ? accumulator : addC(sections, c, accumulator, row * n + column);
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
