import type { StepOutput, TensorCoreModel } from './arithmetic.ts';
import { decodeBits } from './codec.ts';
import { bitsOf, fmaF32, fromBits } from './f32.ts';
import { type Format, type FormatName, formats } from './formats.ts';

/**
 * A format's codes, decoded for products: value = (-1)^sign * significand * 2^(exponent - mantissaBits). Subnormals keep the exponent of the
 * least normal and a significand below 2^mantissaBits: hardware does not normalize them.
 */
export interface OperandTable {
  readonly fractionBits: number;
  /** Signed integer significand of each code; 0 for zeros, NaN and Inf. */
  readonly significand: Int32Array;
  readonly exponent: Int16Array;
  /** 0 finite, 1 Inf, 2 -Inf, 3 NaN. */
  readonly special: Uint8Array;
  /** Value of each code as a number (exact). */
  readonly value: Float64Array;
}

const tables = new Map<FormatName, OperandTable>();

/** Decoding table of a format of at most 16 bits, made at first use. */
export function operandTable(name: FormatName): OperandTable {
  let table = tables.get(name);
  if (table === undefined) {
    table = buildTable(formats[name]);
    tables.set(name, table);
  }
  return table;
}

function buildTable(format: Format): OperandTable {
  const size = 2 ** format.bits;
  const table = {
    fractionBits: format.mantissaBits,
    significand: new Int32Array(size),
    exponent: new Int16Array(size),
    special: new Uint8Array(size),
    value: new Float64Array(size),
  };
  const hidden = 2 ** format.mantissaBits;
  for (let code = 0; code < size; code++) {
    const value = fromBits(decodeBits(code, format));
    table.value[code] = value;
    if (Number.isNaN(value)) table.special[code] = 3;
    else if (!Number.isFinite(value)) table.special[code] = value > 0 ? 1 : 2;
    else {
      const field = Math.floor(code / hidden) % 2 ** format.exponentBits;
      const magnitude = (code % hidden) + (field > 0 ? hidden : 0);
      table.significand[code] = value < 0 ? -magnitude : magnitude;
      table.exponent[code] = Math.max(field, 1) - format.bias;
    }
  }
  return table;
}

/** One operand's codes along k. */
export interface Vector {
  readonly codes: ArrayLike<number>;
  readonly offset: number;
}

/** Sums the products of `count` codes of a and b, from zero, as a tensor core would; gives an f32 (NaN for the canonical NaN). */
export type BlockSum = (a: Vector, b: Vector, count: number) => number;

/** The block sum of a model for operands of two formats. */
export function blockSum(model: TensorCoreModel, a: FormatName, b: FormatName): BlockSum {
  const left = operandTable(a);
  const right = operandTable(b);
  if (model.kind === 'aligned') return alignedBlock(model, left, right);
  return model.kind === 'exact' ? exactBlock(left, right) : sequentialBlock(left, right);
}

/**
 * One fused step: `count` products and the accumulator, aligned to the largest exponent, truncated, summed, rounded.
 * `indices` picks the k that take part, relative to the vectors' offsets. `c` and the result are f32 values.
 */
export function alignedStep(
  model: TensorCoreModel,
  left: OperandTable,
  right: OperandTable,
  a: Vector,
  b: Vector,
  indices: ArrayLike<number>,
  count: number,
  c: number,
): number {
  const special = specialSum(left, right, a, b, indices, count, c);
  if (special !== undefined) return special;
  const { significand: sa, exponent: ea } = left;
  const { significand: sb, exponent: eb } = right;
  const cBits = bitsOf(c);
  const cExponent = Math.max((cBits >>> 23) & 0xff, 1) - 127;
  let largest = c === 0 ? Number.NEGATIVE_INFINITY : cExponent;
  for (let i = 0; i < count; i++) {
    const x = a.codes[a.offset + indices[i]!]!;
    const y = b.codes[b.offset + indices[i]!]!;
    if (sa[x] !== 0 && sb[y] !== 0) largest = Math.max(largest, ea[x]! + eb[y]!);
  }
  if (largest === Number.NEGATIVE_INFINITY) return 0;
  // Everything below is integers below 2^53, held exactly in f64: a term has at most fractionBits + 2 bits.
  const unit = model.fractionBits - left.fractionBits - right.fractionBits - largest;
  let sum = c === 0 ? 0 : Math.trunc(c * 2 ** (model.fractionBits - largest));
  for (let i = 0; i < count; i++) {
    const x = a.codes[a.offset + indices[i]!]!;
    const y = b.codes[b.offset + indices[i]!]!;
    sum += Math.trunc(sa[x]! * sb[y]! * 2 ** (unit + ea[x]! + eb[y]!));
  }
  return roundStep(sum, largest - model.fractionBits, model.output);
}

/** NaN or Inf if any operand, product or the accumulator is special; undefined when all are finite. */
function specialSum(
  left: OperandTable,
  right: OperandTable,
  a: Vector,
  b: Vector,
  indices: ArrayLike<number>,
  count: number,
  c: number,
): number | undefined {
  let sum = Number.isFinite(c) ? 0 : c;
  for (let i = 0; i < count; i++) {
    const x = a.codes[a.offset + indices[i]!]!;
    const y = b.codes[b.offset + indices[i]!]!;
    // IEEE addition of Inf and NaN is exactly the rule: 0 * Inf and Inf - Inf give NaN.
    if (left.special[x] !== 0 || right.special[y] !== 0) sum += left.value[x]! * right.value[y]!;
  }
  return Number.isFinite(sum) ? undefined : sum;
}

/** Rounds sum * 2^exponent (an exact integer sum) to the step's output; +0 for an empty sum, Inf past the largest f32. */
export function roundStep(sum: number, exponent: number, output: StepOutput): number {
  if (sum === 0) return 0;
  const magnitude = Math.abs(sum);
  const kept = output === 'e8m13' ? 13 : output === 'f16-rne' ? 10 : 23;
  const least = output === 'f16-rne' ? -24 : -126 - kept;
  const last = Math.max(exponent + bitLength(magnitude) - 1 - kept, least);
  // 2^(exponent - last) scales the integer so that the last kept bit has weight one; exact in f64.
  const scaled = magnitude * 2 ** (exponent - last);
  const nearest = output === 'f32-rne' || output === 'f16-rne';
  const rounded = (nearest ? roundHalfEven(scaled) : Math.floor(scaled)) * 2 ** last;
  const limit = output === 'f16-rne' ? 65504 : 3.4028234663852886e38;
  const value = rounded > limit ? Number.POSITIVE_INFINITY : rounded;
  return sum < 0 ? -value + 0 : value;
}

function roundHalfEven(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low;
}

/** Bits of a positive integer below 2^53. */
function bitLength(x: number): number {
  return x >= 2 ** 32 ? 64 - Math.clz32(Math.floor(x / 2 ** 32)) : 32 - Math.clz32(x);
}

function alignedBlock(model: TensorCoreModel, left: OperandTable, right: OperandTable): BlockSum {
  const step = narrowStep(model, left, right);
  return (a, b, count) => {
    let sum = 0;
    for (const indices of stepIndices(model, count)) {
      sum = step?.(a, b, indices, sum) ?? alignedStep(model, left, right, a, b, indices, indices.length, sum);
    }
    return sum;
  };
}

const indexCache = new Map<string, readonly Int32Array[]>();

/** Which k of a block of `count` go into each fused step, in order. */
export function stepIndices(model: TensorCoreModel, count: number): readonly Int32Array[] {
  const key = `${model.order} ${model.terms} ${count}`;
  let steps = indexCache.get(key);
  if (steps === undefined) {
    steps = model.order === 'p4' ? pairedIndices(model.terms, count) : linearIndices(model.terms, count);
    indexCache.set(key, steps);
  }
  return steps;
}

function linearIndices(terms: number, count: number): Int32Array[] {
  const steps: Int32Array[] = [];
  for (let k = 0; k < count; k += terms) {
    steps.push(Int32Array.from({ length: Math.min(terms, count - k) }, (_, i) => k + i));
  }
  return steps;
}

function pairedIndices(terms: number, count: number): Int32Array[] {
  const steps: Int32Array[] = [];
  for (let k = 0; k < count; k += 2 * terms) {
    const chunk = Array.from({ length: Math.min(2 * terms, count - k) }, (_, i) => k + i);
    for (const half of [0, 1]) {
      const indices = chunk.filter((i) => (((i - k) >> 1) & 1) === half);
      if (indices.length > 0) steps.push(Int32Array.from(indices));
    }
  }
  return steps;
}

type NarrowStep = (a: Vector, b: Vector, indices: Int32Array, c: number) => number | undefined;

const least = -100000;

/**
 * The step in 32-bit integers, for products of at most 15 bits kept in at most 15 fraction bits (all FP8, FP6 and FP4 on Hopper and Ada):
 * |sum| < 33 * 2^17. Gives undefined where a special value takes part, for the general step to decide.
 */
function narrowStep(model: TensorCoreModel, left: OperandTable, right: OperandTable): NarrowStep | undefined {
  const up = model.fractionBits - left.fractionBits - right.fractionBits;
  if (model.fractionBits > 15 || up < 0) return undefined;
  const { significand: sa, exponent: ea, special: na } = left;
  const { significand: sb, exponent: eb, special: nb } = right;
  return (a, b, indices, c) => {
    const cBits = bitsOf(c);
    const cExponent = Math.max((cBits >>> 23) & 0xff, 1) - 127;
    let largest = c === 0 ? least : cExponent;
    let special = cExponent === 128 ? 1 : 0;
    for (let i = 0; i < indices.length; i++) {
      const x = a.codes[a.offset + indices[i]!]!;
      const y = b.codes[b.offset + indices[i]!]!;
      special |= na[x]! | nb[y]!;
      const exponent = ea[x]! + eb[y]!;
      if (exponent > largest && sa[x] !== 0 && sb[y] !== 0) largest = exponent;
    }
    if (special !== 0) return undefined;
    if (largest === least) return 0;
    let sum = c === 0 ? 0 : Math.trunc(c * 2 ** (model.fractionBits - largest));
    for (let i = 0; i < indices.length; i++) {
      const x = a.codes[a.offset + indices[i]!]!;
      const y = b.codes[b.offset + indices[i]!]!;
      const shift = largest - ea[x]! - eb[y]!;
      const product = (sa[x]! * sb[y]!) << up;
      // Shifts are modulo 32 in JavaScript too; past 31 nothing is left. The magnitude is shifted: truncation is toward zero.
      if (shift < 32) sum += product < 0 ? -(-product >> shift) : product >> shift;
    }
    return roundStep(sum, largest - model.fractionBits, model.output);
  };
}

/** Width of the window that holds every product of two formats, in bits, and the weight of its last bit. */
function productWindow(left: OperandTable, right: OperandTable): { last: number; bits: number } {
  const range = (table: OperandTable): { low: number; high: number } => {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (let code = 0; code < table.exponent.length; code++) {
      if (table.significand[code] === 0) continue;
      low = Math.min(low, table.exponent[code]!);
      high = Math.max(high, table.exponent[code]! + 1);
    }
    return { low: low - table.fractionBits, high };
  };
  const l = range(left);
  const r = range(right);
  return { last: l.low + r.low, bits: l.high + r.high - l.low - r.low };
}

function exactBlock(left: OperandTable, right: OperandTable): BlockSum {
  const window = productWindow(left, right);
  return (a, b, count) => {
    const special = specialSum(left, right, a, b, naturals(count), count, 0);
    if (special !== undefined) return special;
    return window.bits + Math.ceil(Math.log2(count + 1)) <= 53
      ? exactInDouble(left, right, a, b, count)
      : exactInIntegers(left, right, a, b, count, window.last);
  };
}

const naturalsCache: { indices: Int32Array } = { indices: new Int32Array(0) };

function naturals(count: number): Int32Array {
  if (naturalsCache.indices.length < count) naturalsCache.indices = Int32Array.from({ length: count }, (_, i) => i);
  return naturalsCache.indices;
}

function exactInDouble(left: OperandTable, right: OperandTable, a: Vector, b: Vector, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) {
    sum += left.value[a.codes[a.offset + i]!]! * right.value[b.codes[b.offset + i]!]!;
  }
  return Math.fround(sum) + 0;
}

function exactInIntegers(
  left: OperandTable,
  right: OperandTable,
  a: Vector,
  b: Vector,
  count: number,
  last: number,
): number {
  let sum = 0n;
  const offset = left.fractionBits + right.fractionBits + last;
  for (let i = 0; i < count; i++) {
    const x = a.codes[a.offset + i]!;
    const y = b.codes[b.offset + i]!;
    const product = left.significand[x]! * right.significand[y]!;
    if (product !== 0) sum += BigInt(product) << BigInt(left.exponent[x]! + right.exponent[y]! - offset);
  }
  return roundBigInt(sum, last);
}

/** sum * 2^last rounded to f32, nearest even: cut to 50 bits with the rest folded into the last (round to odd), then rounded once. */
function roundBigInt(sum: bigint, last: number): number {
  const negative = sum < 0n;
  const magnitude = negative ? -sum : sum;
  const cut = Math.max(magnitude.toString(2).length - 50, 0);
  const kept = magnitude >> BigInt(cut);
  const sticky = kept << BigInt(cut) === magnitude ? 0n : 1n;
  const value = roundStep(Number(kept | sticky), last + cut, 'f32-rne');
  return negative ? -value + 0 : value;
}

function sequentialBlock(left: OperandTable, right: OperandTable): BlockSum {
  return (a, b, count) => {
    let sum = 0;
    for (let i = 0; i < count; i++) {
      sum = fmaF32(left.value[a.codes[a.offset + i]!]!, right.value[b.codes[b.offset + i]!]!, sum);
    }
    return sum;
  };
}
