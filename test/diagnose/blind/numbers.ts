/**
 * Number formats, written again from their definitions for the blind cases: nothing here is shared with the product, so that a slip in one is
 * no slip in both. Plain and slow.
 */

const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);
const f64 = new Float64Array(1);
const u64 = new Uint32Array(f64.buffer);

export const bitsOf = (x: number): number => {
  f32[0] = x;
  return u32[0]!;
};

export const f32Of = (bits: number): number => {
  u32[0] = bits;
  return f32[0]!;
};

/** Values of the non-negative finite codes of a small format, ascending. */
export function magnitudes(mantissaBits: number, bias: number, codes: number): number[] {
  return Array.from({ length: codes }, (_, code) => {
    const e = code >> mantissaBits;
    const m = (code & ((1 << mantissaBits) - 1)) / (1 << mantissaBits);
    return e === 0 ? m * 2 ** (1 - bias) : (1 + m) * 2 ** (e - bias);
  });
}

export interface Small {
  readonly max: number;
  readonly values: readonly number[];
  readonly mantissaBits: number;
  readonly bias: number;
  readonly signBit: number;
}

const small = (values: number[], mantissaBits: number, bias: number, signBit: number): Small => ({
  values,
  max: values.at(-1)!,
  mantissaBits,
  bias,
  signBit,
});

export const e4m3 = small(magnitudes(3, 7, 127), 3, 7, 0x80);
export const e5m2 = small(magnitudes(2, 15, 124), 2, 15, 0x80);
export const e2m1 = small(magnitudes(1, 1, 8), 1, 1, 0x8);

export type Way = 'even' | 'zero' | 'away' | 'up' | 'down' | 'odd';

/** Code (with sign at `signBit`) of x: saturating. */
export function encode(x: number, format: Small, way: Way, signBit: number): number {
  const sign = Object.is(Math.sign(x), -1) || Object.is(x, -0) ? signBit : 0;
  const magnitude = Math.abs(x);
  const { values, max } = format;
  if (magnitude >= max) return sign | (values.length - 1);
  let low = 0;
  let high = values.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (values[middle]! <= magnitude) low = middle;
    else high = middle;
  }
  const [below, above] = [values[low]!, values[low + 1]!];
  if (magnitude === below) return sign | low;
  const share = (magnitude - below) / (above - below);
  return sign | (low + (goesUp(share, low, way, sign !== 0) ? 1 : 0));
}

function goesUp(share: number, low: number, way: Way, negative: boolean): boolean {
  if (way === 'even') return share > 0.5 || (share === 0.5 && low % 2 === 1);
  if (way === 'away') return share >= 0.5;
  if (way === 'odd') return low % 2 === 0;
  if (way === 'up') return !negative;
  return way === 'down' && negative;
}

export const decode = (code: number, format: Small, signBit: number): number => {
  const value = format.values[code & (signBit - 1)]!;
  return code & signBit ? -value : value;
};

/** Ways to round to a wider format. */
export type WideWay = 'even' | 'zero' | 'away' | 'up' | 'down' | 'odd';

/** floor(log2 |x|) of a finite x other than zero, from a double's own exponent. */
export function exponentOf(x: number): number {
  f64[0] = x;
  const field = (u64[1]! >>> 20) & 0x7ff;
  return field === 0 ? exponentOf(x * 2 ** 60) - 60 : field - 1023;
}

/** Rounds to `bits` significant bits; `least` is the exponent of the last bit of subnormals. */
export function roundSignificant(x: number, bits: number, least: number, way: WideWay = 'even'): number {
  if (x === 0 || !Number.isFinite(x)) return x;
  const unit = 2 ** Math.max(exponentOf(x) - bits + 1, least);
  const scaled = Math.abs(x) / unit;
  const low = Math.floor(scaled);
  const rest = scaled - low;
  const magnitude = rest === 0 ? low : low + (stepsUp(rest, low, way, x < 0) ? 1 : 0);
  return (x < 0 ? -magnitude : magnitude) * unit;
}

function stepsUp(rest: number, low: number, way: WideWay, negative: boolean): boolean {
  if (way === 'even') return rest > 0.5 || (rest === 0.5 && low % 2 !== 0);
  if (way === 'away') return rest >= 0.5;
  if (way === 'odd') return low % 2 === 0;
  return (way === 'up' && !negative) || (way === 'down' && negative);
}

/** bf16 bits of an f32. */
export const toBf16 = (x: number, way: WideWay = 'even'): number => bitsOf(roundSignificant(x, 8, -133, way)) >>> 16;

export const fromBf16 = (bits: number): number => f32Of((bits << 16) >>> 0);

export const bf16 = (x: number): number => fromBf16(toBf16(x));

const largestF16 = 65504;

/** An f32 rounded to f16; past its range infinity, or its largest value where the way does not reach further. */
export function f16(x: number, way: WideWay = 'even'): number {
  const value = roundSignificant(Math.fround(x), 11, -24, way);
  if (Math.abs(value) <= largestF16 || !Number.isFinite(x)) return value;
  const stays = way === 'zero' || way === 'odd' || way === (x > 0 ? 'down' : 'up');
  return Math.sign(x) * (stays ? largestF16 : Number.POSITIVE_INFINITY);
}

/** f16 bits of an f32. */
export function f16Bits(x: number, way: WideWay = 'even'): number {
  const value = f16(x, way);
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude === 0) return sign;
  if (magnitude > largestF16) return sign | 0x7c00;
  const exponent = Math.max(exponentOf(magnitude), -14);
  const mantissa = magnitude / 2 ** (exponent - 10);
  return sign | (mantissa >= 1024 ? ((exponent + 15) << 10) + mantissa - 1024 : mantissa);
}

/** a * b + c in one rounding to f32, in integers. */
export function fma(a: number, b: number, c: number): number {
  const product = a * b;
  const sum = product + c;
  // Where the double is exact, or far from a tie, rounding it once more is right.
  const error = product - (sum - (sum - product)) + (c - (sum - product));
  const rounded = Math.fround(sum);
  if (error === 0 || sum === rounded) return error === 0 ? rounded : nudged(sum, error);
  return nudged(sum, error);
}

function nudged(sum: number, error: number): number {
  const below = Math.fround(sum);
  // A tie of the double between two f32 is decided by what the double left out.
  const other = f32Of(bitsOf(below) + (sum > below === below > 0 ? 1 : -1));
  if (Math.abs(sum - below) !== Math.abs(other - sum)) return below;
  return error > 0 === other > below ? other : below;
}
