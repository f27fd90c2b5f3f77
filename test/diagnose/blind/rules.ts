import {
  bf16,
  bitsOf,
  decode,
  e4m3,
  e5m2,
  encode,
  f16,
  f16Bits,
  fma,
  type Small,
  toBf16,
  type Way,
} from './numbers.ts';

/** What some kernel does with a matrix before its product. */
export interface QuantRule {
  readonly name: string;
  /** Scale (as used later) and how a value is scaled, from a tile's amax. */
  readonly scale: (amax: number, max: number) => { scale: number; apply: (x: number) => number };
  readonly tile: readonly [number, number];
  readonly format: Small;
  readonly way: Way;
}

const r = Math.fround;
const pow2Up = (x: number): number => {
  let e = Math.floor(Math.log2(x));
  while (2 ** e < x) e++;
  while (2 ** (e - 1) >= x) e--;
  return 2 ** e;
};

type Scaling = QuantRule['scale'];

/** The projects' quantizers, each as its own source has it. */
export const scalings: Readonly<Record<string, Scaling>> = {
  divide: (amax, max) => {
    const scale = r(amax / max);
    return { scale, apply: (x) => r(x / scale) };
  },
  reciprocal: (amax, max) => {
    const scale = r(amax / max);
    const inverse = r(1 / scale);
    return { scale, apply: (x) => r(x * inverse) };
  },
  'reciprocal-gpu': (amax, max) => {
    const scale = r(amax * r(1 / max));
    const inverse = r(1 / scale);
    return { scale, apply: (x) => r(x * inverse) };
  },
  inverse: (amax, max) => {
    const up = r(max / amax);
    return { scale: r(amax / max), apply: (x) => r(x * up) };
  },
  deepep: (amax, max) => {
    const up = r(max / amax);
    return { scale: r(amax * r(1 / max)), apply: (x) => r(x * up) };
  },
  v32: (amax, max) => {
    const scale = r(amax * r(1 / max));
    return { scale, apply: (x) => r(x / scale) };
  },
  te: (amax, max) => {
    const up = r(max / amax);
    return { scale: r(1 / up), apply: (x) => r(x * up) };
  },
  pow2: (amax, max) => {
    const scale = pow2Up(r(amax / max));
    return { scale, apply: (x) => x / scale };
  },
  'mx-floor': (amax, max) => {
    const emax = Math.floor(Math.log2(max));
    const scale = 2 ** (Math.floor(Math.log2(amax)) - emax);
    return { scale, apply: (x) => x / scale };
  },
  'divide-then-pow2-up': (amax, max) => {
    const scale = r(amax / max);
    return { scale: pow2Up(scale), apply: (x) => r(x / scale) };
  },
  'bf16-arithmetic': (amax, max) => {
    const scale = bf16(r(amax / max));
    return { scale, apply: (x) => bf16(r(x / scale)) };
  },
  'bf16-scale': (amax, max) => {
    const scale = bf16(r(amax / max));
    return { scale, apply: (x) => r(x / scale) };
  },
};

/** A quantized matrix: values of codes, codes, and the scale of every element's tile. */
export interface Matrix {
  readonly rows: number;
  readonly k: number;
  readonly code: Int32Array;
  readonly value: Float64Array;
  readonly exponent: Int32Array;
  readonly scale: (row: number, k: number) => number;
  readonly scales: Float64Array;
  readonly across: number;
}

/** Quantizes x [rows, k]. */
export function quantize(x: Float64Array, rows: number, k: number, rule: QuantRule): Matrix {
  const [tr, tc] = [rule.tile[0] || rows, rule.tile[1] || k];
  const across = Math.ceil(k / tc);
  const down = Math.ceil(rows / tr);
  const code = new Int32Array(rows * k);
  const value = new Float64Array(rows * k);
  const exponent = new Int32Array(rows * k);
  const scales = new Float64Array(down * across);
  for (let i = 0; i < down; i++) {
    for (let j = 0; j < across; j++) {
      let amax = 0;
      const visit = (action: (at: number) => void): void => {
        for (let row = i * tr; row < Math.min(rows, (i + 1) * tr); row++)
          for (let c = j * tc; c < Math.min(k, (j + 1) * tc); c++) action(row * k + c);
      };
      visit((at) => {
        amax = Math.max(amax, Math.abs(x[at]!));
      });
      const { scale, apply } = rule.scale(Math.max(amax, r(1e-4)), rule.format.max);
      scales[i * across + j] = scale;
      visit((at) => {
        code[at] = encode(apply(x[at]!), rule.format, rule.way);
        value[at] = decode(code[at]!, rule.format);
        const field = (code[at]! & 0x7f) >> rule.format.mantissaBits;
        exponent[at] = Math.max(field, 1) - rule.format.bias;
      });
    }
  }
  const scale = (row: number, c: number): number => scales[Math.floor(row / tr) * across + Math.floor(c / tc)]!;
  return { rows, k, code, value, exponent, scale, scales, across };
}

/** How one instruction sums. */
export interface Core {
  readonly name: string;
  readonly fraction: number;
  readonly terms: number;
  readonly cut: 'e8m13' | 'f32-rz' | 'f32-rne' | 'f16-rne';
  readonly paired?: boolean;
}

/** A whole gemm, as one kernel does it. Everything is drawn; nothing is searched. */
export interface GemmRule {
  readonly sum: Core | 'exact' | 'sequential' | 'pairwise' | 'descending' | 'f16';
  readonly interval: number;
  readonly combine: 'scales-first' | 'a-then-b' | 'b-then-a';
  readonly fused: boolean;
  readonly a: QuantRule;
  readonly b: QuantRule;
  readonly form: 'codes' | 'bf16' | 'f32' | 'unquantized';
  readonly scaleFault: 'none' | 'next' | 'first' | 'next-row' | 'a-left-out' | 'b-left-out';
  readonly drop: 'none' | 'last-block' | 'first-block' | 'last-k32';
  readonly memory: 'as-is' | 'b-transposed' | 'd-transposed';
  readonly carry: 'f32' | 'bf16';
  readonly split: number;
  readonly splitStore: 'f32' | 'bf16';
  readonly output: 'bf16' | 'f16' | 'f32';
  readonly way: 'even' | 'zero' | 'away' | 'via-bf16' | 'via-f16';
  readonly unscaledChain?: boolean;
}

const cutValue = (x: number, bits: number): number => {
  if (x === 0) return 0;
  let e = Math.floor(Math.log2(Math.abs(x)));
  while (2 ** e > Math.abs(x)) e--;
  while (2 ** (e + 1) <= Math.abs(x)) e++;
  const unit = 2 ** (e - bits);
  return Math.trunc(x / unit) * unit;
};

function finishStep(x: number, cut: Core['cut']): number {
  if (cut === 'e8m13') return cutValue(x, 13);
  if (cut === 'f32-rz') return cutValue(x, 23);
  return cut === 'f32-rne' ? r(x) : f16(x);
}

/** One fused sum of products and c. */
function fused(values: number[], exponents: number[], c: number, core: Core): number {
  let top = Number.NEGATIVE_INFINITY;
  values.forEach((x, i) => {
    if (x !== 0) top = Math.max(top, exponents[i]!);
  });
  if (c !== 0) {
    let e = Math.floor(Math.log2(Math.abs(c)));
    while (2 ** e > Math.abs(c)) e--;
    while (2 ** (e + 1) <= Math.abs(c)) e++;
    top = Math.max(top, e);
  }
  if (top === Number.NEGATIVE_INFINITY) return 0;
  const unit = 2 ** (top - core.fraction);
  let total = Math.trunc(c / unit);
  for (const x of values) total += Math.trunc(x / unit);
  return finishStep(total * unit, core.cut);
}

function blockSum(values: number[], exponents: number[], rule: GemmRule['sum']): number {
  if (rule === 'exact') return r(values.reduce((sum, x) => sum + x, 0));
  if (rule === 'sequential') return values.reduce((sum, x) => r(sum + x), 0);
  if (rule === 'descending') return values.reduceRight((sum, x) => r(sum + x), 0);
  if (rule === 'f16') return values.reduce((sum, x) => f16(r(sum + x)), 0);
  if (rule === 'pairwise') {
    let level = values;
    while (level.length > 1)
      level = Array.from({ length: level.length / 2 }, (_, i) => r(level[2 * i]! + level[2 * i + 1]!));
    return level[0]!;
  }
  let c = 0;
  const groups: number[][] = [];
  const all = values.map((_, i) => i);
  if (rule.paired) {
    for (let i = 0; i < values.length; i += 2 * rule.terms) {
      const chunk = all.slice(i, i + 2 * rule.terms);
      groups.push(
        chunk.filter((j) => j % 4 < 2),
        chunk.filter((j) => j % 4 >= 2),
      );
    }
  } else {
    for (let i = 0; i < values.length; i += rule.terms) groups.push(all.slice(i, i + rule.terms));
  }
  for (const group of groups)
    c = fused(
      group.map((i) => values[i]!),
      group.map((i) => exponents[i]!),
      c,
      rule,
    );
  return c;
}

/** D [m, n] as f32 values before the output's rounding, and its codes. */
export function product(
  x: Float64Array,
  y: Float64Array,
  m: number,
  n: number,
  k: number,
  rule: GemmRule,
): Uint32Array {
  const a = quantize(x, m, k, rule.a);
  const b = quantize(y, n, k, rule.b);
  const codes = new Uint32Array(m * n);
  const plain = (matrix: Matrix, source: Float64Array): Float64Array =>
    rule.form === 'unquantized'
      ? source
      : matrix.value.map((v, at) => {
          const dequantized = r(v * matrix.scale(Math.floor(at / k), at % k));
          return rule.form === 'bf16' ? bf16(dequantized) : dequantized;
        });
  const highA = rule.form === 'codes' ? undefined : plain(a, x);
  const highB = rule.form === 'codes' ? undefined : plain(b, y);
  const end = rule.drop === 'last-block' ? k - 128 : rule.drop === 'last-k32' ? k - 32 : k;
  const begin = rule.drop === 'first-block' ? 128 : 0;
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      const values: number[] = [];
      const exponents: number[] = [];
      for (let t = 0; t < k; t++) {
        const other = rule.memory === 'b-transposed' ? t * n + j : j * k + t;
        const p = highA && highB ? highA[i * k + t]! * highB[other]! : a.value[i * k + t]! * b.value[other]!;
        values.push(p);
        exponents.push(
          highA && highB
            ? exponentOf(highA[i * k + t]!) + exponentOf(highB[other]!)
            : a.exponent[i * k + t]! + b.exponent[other]!,
        );
      }
      const total = element(values, exponents, a, b, i, j, begin, end, k, rule);
      const at = rule.memory === 'd-transposed' ? j * n + i : i * n + j;
      codes[at] = narrow(total, rule);
    }
  }
  return codes;
}

const exponentOf = (x: number): number => (x === 0 ? -126 : Math.floor(Math.log2(Math.abs(x)) + 1e-12));

function element(
  values: number[],
  exponents: number[],
  a: Matrix,
  b: Matrix,
  i: number,
  j: number,
  begin: number,
  end: number,
  k: number,
  rule: GemmRule,
): number {
  const scaleOf = (matrix: Matrix, row: number, t: number): number => {
    if (rule.form !== 'codes') return 1;
    if (rule.scaleFault === 'a-left-out' && matrix === a) return 1;
    if (rule.scaleFault === 'b-left-out' && matrix === b) return 1;
    if (rule.scaleFault === 'first') return matrix.scale(row, 0);
    if (rule.scaleFault === 'next-row' && matrix === a) return matrix.scale(Math.min(row + 1, matrix.rows - 1), t);
    if (rule.scaleFault === 'next' && matrix === a) return matrix.scale(row, Math.min(t + 128, k - 1));
    return matrix.scale(row, t);
  };
  const blocksPerPart = Math.ceil(Math.ceil(k / 128) / rule.split);
  const parts: number[] = [];
  for (let from = begin; from < end; from += blocksPerPart * 128) {
    const to = Math.min(from + blocksPerPart * 128, end);
    let sum = 0;
    const step = rule.interval === 0 ? to - from : rule.interval;
    for (let t = from; t < to; t += step) {
      const last = Math.min(t + step, to);
      const partial = blockSum(values.slice(t, last), exponents.slice(t, last), rule.sum);
      const [sa, sb] = [scaleOf(a, i, t), scaleOf(b, j, t)];
      const [first, second] =
        rule.combine === 'scales-first'
          ? [r(sa * sb), partial]
          : rule.combine === 'a-then-b'
            ? [r(partial * sa), sb]
            : [r(partial * sb), sa];
      sum = rule.fused ? fma(first, second, sum) : r(sum + r(first * second));
      if (rule.carry === 'bf16') sum = bf16(sum);
    }
    parts.push(rule.split > 1 && rule.splitStore === 'bf16' ? bf16(sum) : sum);
  }
  return parts.reduce((sum, part) => r(sum + part), 0);
}

function narrow(x: number, rule: GemmRule): number {
  const through = rule.way === 'via-bf16' ? bf16(x) : rule.way === 'via-f16' ? f16(x) : x;
  if (rule.output === 'f32') return bitsOf(through);
  if (rule.output === 'f16') return f16Bits(through);
  const way = rule.way === 'zero' || rule.way === 'away' ? rule.way : 'even';
  return toBf16(through, way);
}

export { e4m3, e5m2 };
