import type { Convention } from '../../../src/diagnose/index.ts';
import type { GemmSpec } from '../../../src/specs/types.ts';
import { dtypeOfFormat, type Tensor } from '../../../src/tensors/tensor.ts';
import { gemmSpec, models, schemeOf } from '../../helpers/specs.ts';
import type { BlindCase } from '../blind/draw.ts';
import { blockSum, type Core, type PlainSum, type Terms } from '../blind/gemm-rule.ts';
import { bitsOf, e4m3, exponentOf, f16Bits, f32Of, toBf16 } from '../blind/numbers.ts';
import { type Matrix, type QuantRule, quantize, scalings } from '../blind/quantizer.ts';
import { normal, randomOf } from '../blind/random.ts';

/** One element of D, as a kernel that computes it sees its operands. */
export interface Dot {
  readonly i: number;
  readonly j: number;
  readonly k: number;
  /** Values of the codes, and the scales that are theirs, at a k. */
  readonly a: (t: number) => number;
  readonly b: (t: number) => number;
  readonly sa: (t: number) => number;
  readonly sb: (t: number) => number;
  /** The operands before they were quantized. */
  readonly x: (t: number) => number;
  readonly y: (t: number) => number;
  /** Products of the codes. */
  readonly terms: Terms;
  /** Scale of any tile of either operand, by its place in memory. */
  readonly scalesA: Matrix;
  readonly scalesB: Matrix;
}

/** A kernel that somebody has, or a slip in one, and what the spec that its user gives says. */
export interface GemmKernel {
  readonly name: string;
  readonly spec: 'blockwise' | 'tensorwise' | 'rowwise' | 'mx';
  readonly output: 'bf16' | 'f16' | 'f32';
  /** Where the kernel's own quantizers are not the spec's. */
  readonly quantizers?: { readonly a?: Partial<QuantRule>; readonly b?: Partial<QuantRule> };
  readonly dot: (dot: Dot) => number;
  /** The code that is stored; nearest-even where nothing is said. */
  readonly store?: (sum: number) => number;
  /** The axes that say it. */
  readonly expect: readonly Convention[];
}

export const hopper: Core = { fraction: 13, terms: 32, cut: 'e8m13' };
export const ada: Core = { fraction: 13, terms: 16, cut: 'e8m13' };
export const blackwell: Core = { fraction: 25, terms: 32, cut: 'f32-rz' };
export const hopperBf16: Core = { fraction: 25, terms: 16, cut: 'f32-rz' };
export const ampereBf16: Core = { fraction: 24, terms: 8, cut: 'f32-rz' };

/** k from `from` to `to` on a tensor core, or in plain f32, on top of `c`. */
export const mma = (dot: Dot, core: Core | PlainSum, from = 0, to = dot.k, c = 0): number =>
  blockSum(dot.terms, from, Math.min(to, dot.k), core, c);

/** Products of values that are no codes. */
export function productsOf(k: number, a: (t: number) => number, b: (t: number) => number): Terms {
  const terms: Terms = { value: new Float64Array(k), exponent: new Int32Array(k) };
  for (let t = 0; t < k; t++) {
    const [x, y] = [a(t), b(t)];
    terms.value[t] = x * y;
    terms.exponent[t] = x * y === 0 ? -1000 : exponentOf(x) + exponentOf(y);
  }
  return terms;
}

/** A running sum over blocks of `every` k. */
export function promoted(
  dot: Dot,
  every: number,
  step: (sum: number, partial: number, from: number) => number,
  core: Core | PlainSum = hopper,
): number {
  let sum = 0;
  for (let from = 0; from < dot.k; from += every) sum = step(sum, mma(dot, core, from, from + every), from);
  return sum;
}

const shape = { m: 64, n: 64, k: 1024 };
const seed = 20261;

const tiles = {
  blockwise: [
    [1, 128],
    [128, 128],
  ],
  tensorwise: [
    [0, 0],
    [0, 0],
  ],
  rowwise: [
    [1, 0],
    [1, 0],
  ],
  mx: [
    [1, 32],
    [1, 32],
  ],
} as const;

function specOf({ spec, output }: GemmKernel): GemmSpec {
  const [a, b] = tiles[spec];
  const scheme = (tile: readonly [number, number]) =>
    schemeOf(spec === 'mx' ? { recipe: 'mx-floor', tile, amaxFloor: 0 } : { recipe: 'divide', tile });
  const arithmetic =
    spec === 'blockwise' ? {} : spec === 'mx' ? { model: models.blackwell, promoteEvery: 32 } : { promoteEvery: 0 };
  return gemmSpec({ shape, a: scheme(a), b: scheme(b), arithmetic, output });
}

function data(rows: number, seed: number): Float64Array {
  const random = randomOf(seed);
  return Float64Array.from({ length: rows * shape.k }, () => f32Of((toBf16(Math.fround(normal(random))) << 16) >>> 0));
}

/** Runs a kernel on its inputs. */
export function gemmFieldCase(kernel: GemmKernel): BlindCase {
  const { m, n, k } = shape;
  const [x, y] = [data(m, seed), data(n, seed + 1)];
  const [tileA, tileB] = tiles[kernel.spec];
  const own = (tile: readonly [number, number]): QuantRule => ({
    scale: scalings[kernel.spec === 'mx' ? 'mx-floor' : 'divide']!,
    tile,
    floor: (amax) => Math.max(amax, kernel.spec === 'mx' ? 0 : Math.fround(1e-4)),
    format: e4m3,
    way: 'even',
  });
  const a = quantize(x, m, k, { ...own(tileA), ...kernel.quantizers?.a });
  const b = quantize(y, n, k, { ...own(tileB), ...kernel.quantizers?.b });
  const store = kernel.store ?? storeOf(kernel.output);
  const codes = new Uint32Array(m * n);
  const terms: Terms = { value: new Float64Array(k), exponent: new Int32Array(k) };
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      for (let t = 0; t < k; t++) {
        terms.value[t] = a.value[i * k + t]! * b.value[j * k + t]!;
        terms.exponent[t] = a.exponent[i * k + t]! + b.exponent[j * k + t]!;
      }
      codes[i * n + j] = store(
        kernel.dot({
          i,
          j,
          k,
          terms,
          scalesA: a,
          scalesB: b,
          a: (t) => a.value[i * k + t]!,
          b: (t) => b.value[j * k + t]!,
          sa: (t) => scaleAt(a, i, t),
          sb: (t) => scaleAt(b, j, t),
          x: (t) => x[i * k + t]!,
          y: (t) => y[j * k + t]!,
        }),
      );
    }
  }
  const input = (values: Float64Array, rows: number): Tensor => ({
    dtype: 'BF16',
    shape: [rows, k],
    codes: Uint16Array.from(values, (v) => toBf16(v)),
  });
  return {
    name: `${kernel.name} (${kernel.spec}, ${kernel.output})`,
    spec: specOf(kernel),
    inputs: { a: input(x, m), b: input(y, n) },
    actual: {
      d: {
        dtype: dtypeOfFormat[kernel.output],
        shape: [m, n],
        codes: kernel.output === 'f32' ? codes : Uint16Array.from(codes),
      },
    },
    expect: kernel.expect,
  };
}

const scaleAt = ({ scales, tile, across }: Matrix, row: number, t: number): number =>
  scales[Math.floor(row / tile[0]) * across + Math.floor(t / tile[1])]!;

const storeOf = (output: GemmKernel['output']): ((sum: number) => number) =>
  output === 'f32' ? bitsOf : output === 'f16' ? f16Bits : toBf16;
