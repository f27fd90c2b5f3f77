import { bf16, bitsOf, exponentOf, f16, f16Bits, fma, roundSignificant, toBf16, type WideWay } from './numbers.ts';
import { type Matrix, type QuantRule, quantize } from './quantizer.ts';

/** How one instruction sums. */
export interface Core {
  readonly fraction: number;
  readonly terms: number;
  readonly cut: 'e8m13' | 'f32-rz' | 'f32-rne' | 'f16-rne';
  readonly paired?: boolean;
}

export type PlainSum = 'exact' | 'sequential' | 'pairwise' | 'descending' | 'f16' | 'lanes-8' | 'lanes-32';

/** Which tile's scale meets a block: by its name in the product's own words. */
export type ScaleFault =
  | 'own'
  | 'next-block'
  | 'next-block-clamped'
  | 'previous-block'
  | 'previous-block-clamped'
  | 'first-block'
  | 'last-block'
  | 'next-row'
  | 'previous-row'
  | 'one'
  | 'inverse';

export type Drop = 'nothing' | 'last-block' | 'first-block' | 'last-k32' | 'last-k' | 'block-end';
export type Form = 'codes' | 'bf16' | 'f16' | 'f32' | 'unquantized';

/** A whole gemm, as one kernel does it. Everything is drawn; nothing is searched. */
export interface GemmRule {
  readonly sum: Core | PlainSum;
  /** k between promotions; 0 for never. */
  readonly interval: number;
  readonly combine: 'scales-first' | 'a-then-b' | 'b-then-a';
  readonly fused: boolean;
  readonly a: QuantRule;
  readonly b: QuantRule;
  readonly form: Form;
  readonly scaleA: ScaleFault;
  readonly scaleB: ScaleFault;
  readonly drop: Drop;
  readonly turned: 'nothing' | 'a' | 'b' | 'd';
  readonly carry: 'f32' | 'bf16';
  readonly split: number;
  /** k that a split does not cut. */
  readonly splitUnit: number;
  readonly splitStore: 'f32' | 'bf16';
  readonly output: 'bf16' | 'f16' | 'f32';
  readonly way: WideWay | 'via-bf16' | 'via-f16';
}

const r = Math.fround;

function finishStep(x: number, cut: Core['cut']): number {
  if (cut === 'e8m13') return roundSignificant(x, 14, -139, 'zero');
  if (cut === 'f32-rz') return roundSignificant(x, 24, -149, 'zero');
  return cut === 'f32-rne' ? r(x) : f16(x);
}

/** Products of one element, and the exponents that a tensor core aligns them by. */
export interface Terms {
  readonly value: Float64Array;
  readonly exponent: Int32Array;
}

/** One fused sum of c and the products at `indices`. */
function fused({ value, exponent }: Terms, indices: readonly number[], c: number, core: Core): number {
  let top = c === 0 ? Number.NEGATIVE_INFINITY : exponentOf(c);
  for (const i of indices) if (value[i] !== 0) top = Math.max(top, exponent[i]!);
  if (top === Number.NEGATIVE_INFINITY) return 0;
  const unit = 2 ** (core.fraction - top);
  let total = Math.trunc(c * unit);
  for (const i of indices) total += Math.trunc(value[i]! * unit);
  return finishStep(total / unit, core.cut);
}

/** k of each instruction of a block. */
function instructions(from: number, to: number, { terms, paired }: Core): number[][] {
  const groups: number[][] = [];
  const width = paired ? 2 * terms : terms;
  for (let at = from; at < to; at += width) {
    const all = Array.from({ length: Math.min(width, to - at) }, (_, i) => at + i);
    if (!paired) groups.push(all);
    else groups.push(...[0, 1].map((half) => all.filter((i) => ((i - at) >> 1) % 2 === half)));
  }
  return groups.filter((group) => group.length > 0);
}

function halves(list: readonly number[]): number {
  if (list.length === 1) return r(list[0]!);
  const middle = list.length >> 1;
  return r(halves(list.slice(0, middle)) + halves(list.slice(middle)));
}

function plainSum(values: Float64Array, how: PlainSum): number {
  if (how === 'exact') return r(values.reduce((sum, x) => sum + x, 0));
  if (how === 'sequential') return values.reduce((sum, x) => r(sum + x), 0);
  if (how === 'descending') return values.reduceRight((sum, x) => r(sum + x), 0);
  if (how === 'f16') return values.reduce((sum, x) => f16(r(sum + x)), 0);
  if (how === 'pairwise') return halves([...values]);
  const width = Number(how.slice(6));
  const lanes: number[] = Array(width).fill(0);
  values.forEach((x, i) => {
    lanes[i % width] = r(lanes[i % width]! + x);
  });
  for (let half = width / 2; half >= 1; half /= 2)
    for (let i = 0; i < half; i++) lanes[i] = r(lanes[i]! + lanes[i + half]!);
  return lanes[0]!;
}

/** Steps of each block are the same for every element: made once. */
const stepsOf = new Map<string, number[][]>();

/** The sum of products `from` to `to`; a tensor core goes on from `c`. */
export function blockSum(terms: Terms, from: number, to: number, rule: GemmRule['sum'], c = 0): number {
  if (typeof rule === 'string') return plainSum(terms.value.subarray(from, to), rule);
  const key = `${rule.terms} ${rule.paired} ${from} ${to}`;
  const steps = stepsOf.get(key) ?? instructions(from, to, rule);
  stepsOf.set(key, steps);
  return steps.reduce((sum, indices) => fused(terms, indices, sum, rule), c);
}

/** A matrix as the product reads it. */
interface Side {
  readonly value: Float64Array;
  readonly exponent: Int32Array;
  readonly scale: (row: number, t: number) => number;
}

const narrowed: Readonly<Record<Form, (x: number) => number>> = {
  codes: (x) => x,
  unquantized: (x) => x,
  f32: r,
  bf16,
  f16: (x) => f16(x),
};

function sideOf(source: Float64Array, rows: number, k: number, rule: GemmRule, name: 'a' | 'b'): Side {
  const matrix = quantize(source, rows, k, rule[name]);
  const ownScale = (row: number, t: number): number => scaleAt(matrix, row, t, 'own');
  let { value, exponent } = matrix;
  if (rule.form !== 'codes') {
    const high = (at: number): number =>
      rule.form === 'unquantized' ? source[at]! : r(matrix.value[at]! * ownScale(Math.floor(at / k), at % k));
    value = Float64Array.from({ length: rows * k }, (_, at) => narrowed[rule.form](high(at)));
    exponent = Int32Array.from(value, (x) => (x === 0 ? -126 : Math.max(exponentOf(x), -126)));
  }
  if (rule.turned === name) {
    const from = (at: number): number => (at % k) * rows + Math.floor(at / k);
    value = value.map((_, at, all) => all[from(at)]!);
    exponent = exponent.map((_, at, all) => all[from(at)]!);
  }
  const fault = name === 'a' ? rule.scaleA : rule.scaleB;
  return { value, exponent, scale: rule.form === 'codes' ? (row, t) => scaleAt(matrix, row, t, fault) : () => 1 };
}

function scaleAt({ scales, tile, down, across }: Matrix, row: number, t: number, fault: ScaleFault): number {
  let line = Math.floor(row / tile[0]);
  let column = Math.floor(t / tile[1]);
  const last = across - 1;
  if (fault === 'next-block-clamped') column = Math.min(column + 1, last);
  if (fault === 'previous-block-clamped') column = Math.max(column - 1, 0);
  if (fault === 'first-block') column = 0;
  if (fault === 'last-block') column = last;
  if (fault === 'next-row') line = Math.min(line + 1, down - 1);
  if (fault === 'previous-row') line = Math.max(line - 1, 0);
  const step = fault === 'next-block' ? 1 : fault === 'previous-block' ? -1 : 0;
  const flat = Math.min(Math.max(line * across + column + step, 0), scales.length - 1);
  if (fault === 'one') return 1;
  return fault === 'inverse' ? r(1 / scales[flat]!) : scales[flat]!;
}

/** Stretches of k by part and promotion: [first, last) each. */
function schedule(k: number, rule: GemmRule): [number, number][][] {
  const { split, splitUnit, drop } = rule;
  // No sum goes on past the end of a scale.
  const ends = rule.form === 'codes' ? [rule.a.tile[1] || k, rule.b.tile[1] || k] : [];
  const interval = Math.min(rule.interval || k, ...ends);
  const units = Math.ceil(k / splitUnit);
  const size = Math.ceil(units / split) * splitUnit;
  const [begin, end] = [drop === 'first-block' ? 128 : 0, drop === 'last-block' ? k - 128 : k];
  const parts: [number, number][][] = [];
  for (let from = 0; from < k; from += size) {
    const to = Math.min(from + size, k);
    const blocks: [number, number][] = [];
    for (let at = from; at < to; at += interval) {
      let stop = Math.min(at + interval, to, end);
      if (drop === 'block-end') stop--;
      if (drop === 'last-k' && stop === k) stop--;
      if (drop === 'last-k32' && stop === k) stop -= 32;
      if (stop > Math.max(at, begin)) blocks.push([Math.max(at, begin), stop]);
    }
    parts.push(blocks);
  }
  return parts;
}

/** Codes of D [m, n]. */
export function product(
  x: Float64Array,
  y: Float64Array,
  shape: readonly [m: number, n: number, k: number],
  rule: GemmRule,
): Uint32Array {
  const [m, n, k] = shape;
  const a = sideOf(x, m, k, rule, 'a');
  const b = sideOf(y, n, k, rule, 'b');
  const parts = schedule(k, rule);
  const terms: Terms = { value: new Float64Array(k), exponent: new Int32Array(k) };
  const codes = new Uint32Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      for (let t = 0; t < k; t++) {
        terms.value[t] = a.value[i * k + t]! * b.value[j * k + t]!;
        terms.exponent[t] = a.exponent[i * k + t]! + b.exponent[j * k + t]!;
      }
      const sums = parts.map((blocks) => partSum(blocks, terms, a, b, i, j, rule));
      const stored = rule.split > 1 && rule.splitStore === 'bf16' ? sums.map(bf16) : sums;
      const total = stored.reduce((sum, part) => r(sum + part), 0);
      codes[rule.turned === 'd' ? j * m + i : i * n + j] = outputCode(total, rule);
    }
  }
  return codes;
}

function partSum(
  blocks: readonly [number, number][],
  terms: Terms,
  a: Side,
  b: Side,
  i: number,
  j: number,
  rule: GemmRule,
): number {
  let sum = 0;
  for (const [from, to] of blocks) {
    const partial = blockSum(terms, from, to, rule.sum);
    const [sa, sb] = [a.scale(i, from), b.scale(j, from)];
    const [first, second] =
      rule.combine === 'scales-first'
        ? [r(sa * sb), partial]
        : rule.combine === 'a-then-b'
          ? [r(partial * sa), sb]
          : [r(partial * sb), sa];
    sum = rule.fused ? fma(first, second, sum) : r(sum + r(first * second));
    if (rule.carry === 'bf16') sum = bf16(sum);
  }
  return sum;
}

function outputCode(x: number, { way, output }: GemmRule): number {
  const through = way === 'via-bf16' ? bf16(x) : way === 'via-f16' ? f16(x) : x;
  const rest: WideWay = way === 'via-bf16' || way === 'via-f16' ? 'even' : way;
  if (output === 'f32') return bitsOf(through);
  return output === 'f16' ? f16Bits(through, rest) : toBf16(through, rest);
}
