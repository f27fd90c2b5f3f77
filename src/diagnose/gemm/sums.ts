import type { StepOutput, TensorCoreModel } from '../../numerics/arithmetic.ts';
import { decodeBits, encodeBits } from '../../numerics/codec.ts';
import { bitsOf, fmaF32, fromBits } from '../../numerics/f32.ts';
import { formats } from '../../numerics/formats.ts';
import { roundStep, stepIndices } from '../../numerics/tensor-core.ts';
import type { Convention } from '../convention.ts';
import type { OperandRows } from './operand.ts';

/** Exponent of what takes no part in the largest: zero, where a model leaves zeros out. */
const none = -20000;

/** Products of elements along k, one element after another: exact values and the exponents that they are aligned by. */
export interface Products {
  readonly value: Float64Array;
  readonly exponent: Int16Array;
  /** Products of two f32: an f32 holds them no longer, and an fma must be made with care. */
  readonly wide: boolean;
  /** A double holds the sum of any of them, as of e4m3 codes. */
  readonly exact: boolean;
}

/** How products are made. */
export interface ProductRule {
  /** Rounded to f32. */
  readonly rounded: boolean;
  /** Zero products have an exponent like others. */
  readonly zeros: boolean;
}

/** Puts row `left` of a times row `right` of b in place of the products from `at` on. */
export function multiply(
  products: Products,
  at: number,
  a: OperandRows,
  b: OperandRows,
  left: number,
  right: number,
  { rounded, zeros }: ProductRule,
): void {
  const { k } = a;
  const { value, exponent } = products;
  const [x, y, ex, ey] = [a.value, b.value, a.exponent, b.exponent];
  const [l, r] = [left * k, right * k];
  for (let j = 0; j < k; j++) {
    const product = x[l + j]! * y[r + j]!;
    value[at + j] = product;
    exponent[at + j] = product === 0 && !zeros ? none : ex[l + j]! + ey[r + j]!;
  }
  if (rounded) for (let j = at; j < at + k; j++) value[j] = Math.fround(value[j]!);
}

/** Sums the products `start` to `end` on top of `c`; gives an f32. */
export type Summer = (products: Products, start: number, end: number, c: number) => number;

const powers = Float64Array.from({ length: 2048 }, (_, i) => 2 ** (i - 1024));
const power = (exponent: number): number =>
  exponent >= -1024 && exponent < 1024 ? powers[exponent + 1024]! : 2 ** exponent;

/** The sum of a block as a convention's model does it. */
export function summerOf(convention: Convention): Summer {
  const { model } = convention;
  if (model === 'aligned') return alignedSummer(convention);
  if (model === 'exact') return exactSum;
  if (model === 'sequential') return convention.order === 'descending' ? descendingSum : sequentialSum;
  if (model === 'f16-sequential' || model === 'bf16-sequential')
    return narrowSum(model === 'f16-sequential' ? 'f16' : 'bf16');
  if (model!.startsWith('cdna3-')) return cdna3Sum(Number(model!.slice(6)));
  if (model!.startsWith('groups-')) return groupSum(Number(model!.slice(7)));
  if (model === 'pairwise') return (p, start, end, c) => Math.fround(c + halves(p, start, end));
  if (model === 'numpy') return (p, start, end, c) => Math.fround(c + numpySum(p, start, end));
  return laneSum(Number(model!.split('-')[1]));
}

function alignedSummer(convention: Convention): Summer {
  const fraction = Number(convention.fraction);
  const terms = Number(convention.terms);
  const output = convention.step as StepOutput;
  const { order, align } = convention;
  const cut = align === 'floor' ? Math.floor : align === 'nearest' ? nearest : Math.trunc;
  const zeros = convention.zeros === 'in';
  const normal = convention.products === 'normalized';
  const model = { order: order === 'p4' ? 'p4' : 'linear', terms } as TensorCoreModel;
  const plain = align === 'truncate' && !zeros && !normal && order === 'linear';
  if (plain) return plainSummer(fraction, terms, output);
  return (p, start, end, c) => {
    let sum = c;
    const groups = stepIndices(model, end - start);
    for (let g = 0; g < groups.length; g++) {
      const indices = groups[order === 'descending' ? groups.length - 1 - g : g]!;
      sum = generalStep(p, start, indices, sum, { fraction, output, cut, normal });
    }
    return sum;
  };
}

/** The fused sum as hardware does it, terms in order: the path that nearly every candidate takes. */
function plainSummer(fraction: number, terms: number, output: StepOutput): Summer {
  const finish = stepFinisher(output);
  return ({ value, exponent }, start, end, c) => {
    let sum = c;
    for (let first = start; first < end; first += terms) {
      const last = Math.min(first + terms, end);
      let largest = sum === 0 ? none : exponentOf(sum);
      for (let i = first; i < last; i++) if (exponent[i]! > largest) largest = exponent[i]!;
      if (largest === none) {
        sum = 0;
        continue;
      }
      const unit = power(fraction - largest);
      let total = Math.trunc(sum * unit);
      for (let i = first; i < last; i++) total += Math.trunc(value[i]! * unit);
      sum = Number.isFinite(total) ? finish(total, largest - fraction) : total;
    }
    return sum;
  };
}

/** `roundStep` of the numerics for sums that a double holds, by f32 bits where that gives the same. */
function stepFinisher(output: StepOutput): (total: number, exponent: number) => number {
  if (output === 'f16-rne') return (total, exponent) => roundStep(total, exponent, output);
  if (output === 'f32-rne') return (total, exponent) => Math.fround(total * power(exponent)) + 0;
  const mask = output === 'e8m13' ? 0xfffffc00 : 0xffffffff;
  return (total, exponent) => {
    const exact = total * power(exponent);
    if (Math.abs(exact) >= 2 ** 128) return exact > 0 ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
    let bits = bitsOf(exact);
    if (Math.abs(fromBits(bits)) > Math.abs(exact)) bits -= 1;
    return fromBits((bits & mask) >>> 0) + 0;
  };
}

interface StepRule {
  readonly fraction: number;
  readonly output: StepOutput;
  readonly cut: (x: number) => number;
  readonly normal: boolean;
}

function generalStep(p: Products, at: number, indices: Int32Array, c: number, rule: StepRule): number {
  let largest = c === 0 ? none : exponentOf(c);
  for (let i = 0; i < indices.length; i++) {
    const value = p.value[at + indices[i]!]!;
    const exponent = rule.normal && value !== 0 ? exponentOf(value) : p.exponent[at + indices[i]!]!;
    if (exponent > largest) largest = exponent;
  }
  if (largest === none) return 0;
  const unit = power(rule.fraction - largest);
  let total = rule.cut(c * unit);
  for (let i = 0; i < indices.length; i++) total += rule.cut(p.value[at + indices[i]!]! * unit);
  return Number.isFinite(total) ? roundStep(total, largest - rule.fraction, rule.output) : total;
}

/** Exponent that an f32 (or a product in its range) is aligned by. */
function exponentOf(x: number): number {
  return Math.max((bitsOf(x) >>> 23) & 0xff, 1) - 127;
}

function nearest(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 !== 0) ? low + 1 : low;
}

/** All products summed without error (compensated in two doubles: 106 bits), then one rounding. */
function exactSum({ value, exact }: Products, start: number, end: number, c: number): number {
  let sum = c;
  if (exact && c === 0) {
    for (let i = start; i < end; i++) sum += value[i]!;
    return Math.fround(sum) + 0;
  }
  let rest = 0;
  for (let i = start; i < end; i++) {
    const x = value[i]!;
    const next = sum + x;
    rest += Math.abs(sum) >= Math.abs(x) ? sum - next + x : x - next + sum;
    sum = next;
  }
  return Number.isFinite(sum) ? fmaF32(1, sum, rest) + 0 : sum;
}

// A product of two formats of at most 16 bits is an f32 or next to it, and rounding the sum through a double is innocuous; of two f32 it is not.
function sequentialSum({ value, wide }: Products, start: number, end: number, c: number): number {
  let sum = c;
  if (wide) {
    for (let i = start; i < end; i++) sum = fmaF32(1, value[i]!, sum);
    return sum;
  }
  for (let i = start; i < end; i++) sum = Math.fround(sum + value[i]!);
  return sum;
}

function descendingSum({ value }: Products, start: number, end: number, c: number): number {
  let sum = c;
  for (let i = end - 1; i >= start; i--) sum = Math.fround(sum + value[i]!);
  return sum;
}

/** Rounds an f32 to a narrower format and back. */
export function roundTo(x: number, format: 'bf16' | 'f16'): number {
  return fromBits(decodeBits(encodeBits(bitsOf(x), formats[format], 'nearest-even', 'ieee'), formats[format]));
}

function narrowSum(format: 'bf16' | 'f16'): Summer {
  return ({ value }, start, end, c) => {
    let sum = c;
    for (let i = start; i < end; i++) sum = roundTo(sum + value[i]!, format);
    return sum;
  };
}

/** Sum by halves down to single products. */
function halves(p: Products, start: number, end: number): number {
  if (end - start === 1) return Math.fround(p.value[start]!);
  const middle = start + ((end - start) >> 1);
  return Math.fround(halves(p, start, middle) + halves(p, middle, end));
}

/** NumPy's pairwise sum: eight accumulators up to 128 terms, halves (of whole eights) above. */
function numpySum(p: Products, start: number, end: number): number {
  const count = end - start;
  if (count < 8) {
    let sum = 0;
    for (let i = start; i < end; i++) sum = Math.fround(sum + p.value[i]!);
    return sum;
  }
  if (count > 128) {
    const half = (count >> 1) - ((count >> 1) % 8);
    return Math.fround(numpySum(p, start, start + half) + numpySum(p, start + half, end));
  }
  const lanes = new Float32Array(8);
  for (let j = 0; j < 8; j++) lanes[j] = p.value[start + j]!;
  let i = 8;
  for (; i + 8 <= count; i += 8) for (let j = 0; j < 8; j++) lanes[j] = lanes[j]! + p.value[start + i + j]!;
  const pair = (j: number): number => Math.fround(lanes[j]! + lanes[j + 1]!);
  let sum = Math.fround(Math.fround(pair(0) + pair(2)) + Math.fround(pair(4) + pair(6)));
  for (; i < count; i++) sum = Math.fround(sum + p.value[start + i]!);
  return sum;
}

/** Groups of `width` products summed by halves, each onto the accumulator: AMD's older matrix cores (MMA-Sim, arXiv 2511.10909). */
function groupSum(width: number): Summer {
  return (p, start, end, c) => {
    let sum = c;
    for (let i = start; i < end; i += width) sum = Math.fround(sum + halves(p, i, Math.min(i + width, end)));
    return sum;
  };
}

const floorTo = (x: number, exponent: number): number => Math.floor(x * power(-exponent)) * power(exponent);

/**
 * CDNA3's matrix core (MMA-Sim, arXiv 2511.10909): products truncated 24 bits below their largest exponent and summed (FP8, 16 at a time: even
 * and odd places apart, then both cut downward), cut downward 31 bits below the larger of that exponent and the accumulator's, which is cut 24
 * bits below; rounded to nearest.
 */
function cdna3Sum(width: number): Summer {
  const stride = width === 16 ? 2 : 1;
  return (p, start, end, c) => {
    let sum = c;
    for (let i = start; i < end; i += width) {
      const last = Math.min(i + width, end);
      const parts = Array.from({ length: stride }, (_, lane) => alignedPart(p, i + lane, last, stride));
      const top = Math.max(...parts.map(({ largest }) => largest));
      if (top === none) continue;
      const total = parts.reduce((all, part) => all + (stride === 1 ? part.sum : floorTo(part.sum, top - 24)), 0);
      const own = sum === 0 ? none : exponentOf(sum);
      const larger = Math.max(top, own);
      const kept = own < larger - 25 ? 0 : floorTo(sum, larger - 24);
      sum = Math.fround(floorTo(total, larger - 31) + kept) + 0;
    }
    return sum;
  };
}

/** Products `start`, `start` + `stride`, ... truncated 24 bits below the largest exponent, and their sum. */
function alignedPart(
  { value, exponent }: Products,
  start: number,
  end: number,
  stride: number,
): { readonly sum: number; readonly largest: number } {
  let largest = none;
  for (let i = start; i < end; i += stride) if (exponent[i]! > largest) largest = exponent[i]!;
  if (largest === none) return { sum: 0, largest };
  const unit = power(24 - largest);
  let total = 0;
  for (let i = start; i < end; i += stride) total += Math.trunc(value[i]! * unit);
  return { sum: total * power(largest - 24), largest };
}

/** `width` accumulators, product k in accumulator k % width, joined by halves: SIMD lanes, or the threads of a warp. */
function laneSum(width: number): Summer {
  const lanes = new Float32Array(width);
  return ({ value }, start, end, c) => {
    lanes.fill(0);
    for (let i = start; i < end; i++) lanes[(i - start) % width] = lanes[(i - start) % width]! + value[i]!;
    for (let half = width >> 1; half > 0; half >>= 1) {
      for (let j = 0; j < half; j++) lanes[j] = lanes[j]! + lanes[j + half]!;
    }
    return Math.fround(c + lanes[0]!);
  };
}
