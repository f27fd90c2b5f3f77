import type { Arithmetic } from '../../numerics/arithmetic.ts';
import { addF32, bitsOf, fmaF32, fromBits, mulF32 } from '../../numerics/f32.ts';
import type { Scheme } from '../../numerics/scheme.ts';
import { type BlockSum, blockSum } from '../../numerics/tensor-core.ts';
import type { GemmSpec } from '../../specs/types.ts';
import type { Codes, Tensor, Tensors } from '../../tensors/tensor.ts';
import { narrow, quantizedOperand, tileFactors } from '../dequantize/reference.ts';
import { type Quantized, widen } from '../quantize/reference.ts';
import { requireShape, type TileGrid, tileGrid } from '../tiles.ts';

/** One operand ready for products: codes [rows, k] and the f32 factor of every tile. */
interface Side {
  readonly codes: Codes;
  readonly factors: Float32Array;
  readonly grid: TileGrid;
}

function side(quantized: Quantized, scheme: Scheme): Side {
  const [rows, k] = quantized.codes.shape as [number, number];
  const factors = new Float32Array(tileFactors(quantized, scheme).buffer);
  return { codes: quantized.codes.codes, factors, grid: tileGrid(rows, k, scheme) };
}

/** Where tile scales meet a block: the factor of row `row` at k. */
function factorAt({ factors, grid }: Side, row: number, k: number): number {
  return factors[Math.floor(row / grid.tileRows) * grid.columns + Math.floor(k / grid.tileColumns)]!;
}

/** One promotion: the accumulator after a block's partial sum and its two scales. docs/numerics.md, "Products". */
export function promote(arithmetic: Arithmetic, sum: number, partial: number, sa: number, sb: number): number {
  const [first, second] =
    arithmetic.combine === 'scales-first'
      ? [mulF32(sa, sb), partial]
      : arithmetic.combine === 'a-then-b'
        ? [mulF32(partial, sa), sb]
        : [mulF32(partial, sb), sa];
  return arithmetic.promote === 'fused' ? fmaF32(first, second, sum) : addF32(sum, mulF32(first, second));
}

/** One element of A * B^T in f32, before C and the output's rounding. */
function element(arithmetic: Arithmetic, sum: BlockSum, a: Side, b: Side, m: number, n: number, k: number): number {
  const step = arithmetic.promoteEvery === 0 ? k : arithmetic.promoteEvery;
  let accumulator = 0;
  for (let start = 0; start < k; start += step) {
    const count = Math.min(step, k - start);
    const partial = sum({ codes: a.codes, offset: m * k + start }, { codes: b.codes, offset: n * k + start }, count);
    accumulator = promote(arithmetic, accumulator, partial, factorAt(a, m, start), factorAt(b, n, start));
  }
  return accumulator;
}

/** What a product needs of a spec: its extents, the operands' schemes, how it sums. */
export interface ProductSpec {
  readonly shape: GemmSpec['shape'];
  readonly a: { readonly scheme: Scheme };
  readonly b: { readonly scheme: Scheme };
  readonly arithmetic: Arithmetic;
  readonly output: GemmSpec['output'];
}

/** D = C + A * B^T from the spec's inputs: A [m, k], B [n, k], C [m, n] optional. Returns D [m, n]. */
export function gemmReference(spec: GemmSpec, inputs: Tensors): Tensor {
  const { m, n, k } = spec.shape;
  const a = quantizedOperand('a', spec.a, inputs, m, k);
  const b = quantizedOperand('b', spec.b, inputs, n, k);
  return productReference(spec, a, b, inputs.c);
}

/** D [m, n] = C + A * B^T of quantized operands. */
export function productReference(spec: ProductSpec, a: Quantized, b: Quantized, c?: Tensor): Tensor {
  const { m, n, k } = spec.shape;
  if (c !== undefined) requireShape('c', c, [m, n]);
  const added = c === undefined ? undefined : widen(c);
  const [left, right] = [side(a, spec.a.scheme), side(b, spec.b.scheme)];
  const sum = blockSum(spec.arithmetic.model, spec.a.scheme.format, spec.b.scheme.format);
  const words = new Uint32Array(m * n);
  for (let row = 0; row < m; row++) {
    for (let column = 0; column < n; column++) {
      const i = row * n + column;
      const product = element(spec.arithmetic, sum, left, right, row, column, k);
      words[i] = bitsOf(added === undefined ? product : addF32(fromBits(added[i]!), product));
    }
  }
  return narrow(words, spec.output, [m, n]);
}
