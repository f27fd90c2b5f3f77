/**
 * f32 arithmetic on bits with u32 operations alone: the form that WGSL can keep exact, and the twin of f32.ts.
 * Nearest even, subnormals kept, NaN canonical. Everything here is 32-bit: `Math.imul`, shifts by 0 to 31, `Math.clz32`.
 */

const SIGN = 0x80000000;
const INFINITY = 0x7f800000;
const NAN = 0x7fffffff;

/** A 64-bit unsigned integer as two u32. */
interface Wide {
  readonly high: number;
  readonly low: number;
}

/** The significand in [2^23, 2^24) of a finite nonzero f32; subnormals are normalized. */
function significandOf(bits: number): number {
  const fraction = bits & 0x7fffff;
  const isNormal = (bits & INFINITY) !== 0;
  return isNormal ? fraction | 0x800000 : fraction << (Math.clz32(fraction) - 8);
}

/** The biased exponent that goes with {@link significandOf}: the value is significand * 2^(exponent - 150). At most 0 for subnormals. */
function exponentOf(bits: number): number {
  const field = (bits >>> 23) & 0xff;
  return field !== 0 ? field : 9 - Math.clz32(bits & 0x7fffff);
}

function isNan(bits: number): boolean {
  return (bits & 0x7fffffff) > INFINITY;
}

function isInfinite(bits: number): boolean {
  return (bits & 0x7fffffff) === INFINITY;
}

function isZero(bits: number): boolean {
  return (bits & 0x7fffffff) === 0;
}

/**
 * The f32 nearest to significand * 2^(exponent - 151), significand in [2^24, 2^25): 24 bits and a guard bit; `sticky` is 1 where anything
 * nonzero lies below it.
 */
function roundAndPack(sign: number, exponent: number, significand: number, sticky: number): number {
  if (exponent >= 255) return (sign | INFINITY) >>> 0;
  // A subnormal result keeps fewer bits; past 25 nothing but the sticky bit is left.
  const shift = Math.min(Math.max(1 - exponent, 0), 26);
  const dropped = significand & ((1 << shift) - 1);
  const kept = significand >>> shift;
  const below = sticky | (dropped !== 0 ? 1 : 0);
  const truncated = kept >>> 1;
  const increment = kept & 1 & (below | (truncated & 1));
  // The leading one of a normal significand adds itself to the exponent field; so does a carry, up to Inf.
  const base = exponent >= 1 ? (exponent - 1) << 23 : 0;
  return (sign | (base + truncated + increment)) >>> 0;
}

/** fl(a + b) on f32 bits (u32). */
export function softAdd(a: number, b: number): number {
  if (isNan(a) || isNan(b)) return NAN;
  if (isInfinite(a)) return isInfinite(b) && a !== b ? NAN : a;
  if (isInfinite(b)) return b;
  if (isZero(a)) return isZero(b) ? (a & b) >>> 0 : b;
  if (isZero(b)) return a;
  const aIsLarger = (a & 0x7fffffff) >>> 0 >= (b & 0x7fffffff) >>> 0;
  return addOrdered(aIsLarger ? a : b, aIsLarger ? b : a);
}

/** Sum of two finite nonzero numbers, the larger magnitude first. */
function addOrdered(larger: number, smaller: number): number {
  const sign = (larger & SIGN) >>> 0;
  const exponent = exponentOf(larger);
  // Three bits below the significand: a guard bit, one that a subtraction may shift in, and a sticky bit.
  const first = significandOf(larger) << 3;
  const second = shiftRightSticky(significandOf(smaller) << 3, exponent - exponentOf(smaller));
  const sum = (larger & SIGN) === (smaller & SIGN) ? first + second : first - second;
  if (sum === 0) return 0;
  const top = 31 - Math.clz32(sum);
  const resultExponent = exponent + top - 26;
  if (top <= 24) return roundAndPack(sign, resultExponent, sum << (24 - top), 0);
  const shift = top - 24;
  const sticky = (sum & ((1 << shift) - 1)) !== 0 ? 1 : 0;
  return roundAndPack(sign, resultExponent, sum >>> shift, sticky);
}

/** value >> shift (shift >= 0), the last bit set where a nonzero bit was cut off. */
function shiftRightSticky(value: number, shift: number): number {
  if (shift > 31) return value !== 0 ? 1 : 0;
  const dropped = value & ((1 << shift) - 1);
  return ((value >>> shift) | (dropped !== 0 ? 1 : 0)) >>> 0;
}

/** fl(a * b) on f32 bits (u32). */
export function softMul(a: number, b: number): number {
  if (isNan(a) || isNan(b)) return NAN;
  const sign = ((a ^ b) & SIGN) >>> 0;
  if (isInfinite(a) || isInfinite(b)) return isZero(a) || isZero(b) ? NAN : (sign | INFINITY) >>> 0;
  if (isZero(a) || isZero(b)) return sign;
  const product = multiply24(significandOf(a), significandOf(b));
  const exponent = exponentOf(a) + exponentOf(b) - 127;
  return roundWide(sign, exponent + 1, shiftLeftWide(product, 14));
}

/** fl(a / b) on f32 bits (u32). */
export function softDiv(a: number, b: number): number {
  if (isNan(a) || isNan(b)) return NAN;
  const sign = ((a ^ b) & SIGN) >>> 0;
  if (isInfinite(a)) return isInfinite(b) ? NAN : (sign | INFINITY) >>> 0;
  if (isInfinite(b)) return sign;
  if (isZero(b)) return isZero(a) ? NAN : (sign | INFINITY) >>> 0;
  if (isZero(a)) return sign;
  return divideFinite(sign, a, b);
}

/** Long division, eight quotient bits a step: a remainder below 2^24 shifted by 8 still fits 32 bits. */
function divideFinite(sign: number, a: number, b: number): number {
  const divisor = significandOf(b);
  let dividend = significandOf(a);
  let exponent = exponentOf(a) - exponentOf(b) + 127;
  if (dividend < divisor) {
    dividend <<= 1;
    exponent -= 1;
  }
  // The dividend is in [divisor, 2 * divisor): the first quotient bit is one.
  let quotient = 1;
  let remainder = dividend - divisor;
  for (let step = 0; step < 3; step++) {
    const shifted = (remainder << 8) >>> 0;
    const digit = (shifted / divisor) >>> 0; // u32 division
    remainder = (shifted - Math.imul(digit, divisor)) >>> 0;
    quotient = (quotient << 8) | digit;
  }
  return roundAndPack(sign, exponent, quotient, remainder !== 0 ? 1 : 0);
}

/** fl(a * b + c), one rounding, on f32 bits (u32). */
export function softFma(a: number, b: number, c: number): number {
  if (isNan(a) || isNan(b) || isNan(c)) return NAN;
  const sign = ((a ^ b) & SIGN) >>> 0;
  if (isInfinite(a) || isInfinite(b)) {
    if (isZero(a) || isZero(b)) return NAN;
    const product = (sign | INFINITY) >>> 0;
    return isInfinite(c) && c !== product ? NAN : product;
  }
  if (isInfinite(c)) return c;
  if (isZero(a) || isZero(b)) return isZero(c) ? (sign & c) >>> 0 : c;
  if (isZero(c)) return softMul(a, b);
  return fmaFinite(sign, a, b, c);
}

/** The product of finite nonzero a and b, whose sign is given, plus finite nonzero c. */
function fmaFinite(sign: number, a: number, b: number, c: number): number {
  // Both terms as a 64-bit integer times 2^(exponent - 188): the product in [2^60, 2^62), c in [2^61, 2^62). Bits that alignment
  // shifts out are lost only where the other term is more than twice as large, so that a sticky bit is enough for them.
  const product = shiftLeftWide(multiply24(significandOf(a), significandOf(b)), 14);
  const productExponent = exponentOf(a) + exponentOf(b) - 126;
  const addend: Wide = { high: significandOf(c) << 6, low: 0 };
  const addendExponent = exponentOf(c);
  const exponent = Math.max(productExponent, addendExponent);
  const first = shiftRightStickyWide(product, exponent - productExponent);
  const second = shiftRightStickyWide(addend, exponent - addendExponent);
  const addendSign = (c & SIGN) >>> 0;
  if (sign === addendSign) return roundWide(sign, exponent, addWide(first, second));
  if (isLessWide(first, second)) return roundWide(addendSign, exponent, subtractWide(second, first));
  return roundWide(sign, exponent, subtractWide(first, second));
}

/** The f32 nearest to value * 2^(exponent - 188); a zero is +0. The last bit may be a sticky one. */
function roundWide(sign: number, exponent: number, value: Wide): number {
  if (value.high === 0 && value.low === 0) return 0;
  const zeros = value.high !== 0 ? Math.clz32(value.high) : 32 + Math.clz32(value.low);
  const normalized = shiftLeftWide(value, zeros);
  const significand = normalized.high >>> 7;
  const sticky = (normalized.high & 0x7f) !== 0 || normalized.low !== 0 ? 1 : 0;
  return roundAndPack(sign, exponent + 2 - zeros, significand, sticky);
}

/** The product of two numbers below 2^24, by 12-bit halves: no partial sum passes 32 bits. */
function multiply24(a: number, b: number): Wide {
  const aLow = a & 0xfff;
  const aHigh = a >>> 12;
  const bLow = b & 0xfff;
  const bHigh = b >>> 12;
  const middle = Math.imul(aHigh, bLow) + Math.imul(aLow, bHigh);
  const low = Math.imul(aLow, bLow) + ((middle & 0xfff) << 12);
  const high = Math.imul(aHigh, bHigh) + (middle >>> 12) + (low >>> 24);
  // high counts 2^24: its low 8 bits belong to the low word.
  return { high: high >>> 8, low: ((high << 24) | (low & 0xffffff)) >>> 0 };
}

function addWide(a: Wide, b: Wide): Wide {
  const low = (a.low + b.low) >>> 0;
  const carry = low < a.low ? 1 : 0;
  return { high: (a.high + b.high + carry) >>> 0, low };
}

function subtractWide(a: Wide, b: Wide): Wide {
  const borrow = a.low < b.low ? 1 : 0;
  return { high: (a.high - b.high - borrow) >>> 0, low: (a.low - b.low) >>> 0 };
}

function isLessWide(a: Wide, b: Wide): boolean {
  return a.high < b.high || (a.high === b.high && a.low < b.low);
}

/** value << shift, shift 0 to 63. */
function shiftLeftWide(value: Wide, shift: number): Wide {
  if (shift === 0) return value;
  if (shift >= 32) return { high: (value.low << (shift - 32)) >>> 0, low: 0 };
  return { high: ((value.high << shift) | (value.low >>> (32 - shift))) >>> 0, low: (value.low << shift) >>> 0 };
}

/** value >> shift (shift >= 0), the last bit set where a nonzero bit was cut off. */
function shiftRightStickyWide(value: Wide, shift: number): Wide {
  if (shift === 0) return value;
  if (shift > 63) return { high: 0, low: (value.high | value.low) !== 0 ? 1 : 0 };
  if (shift >= 32) {
    const below = value.low !== 0 ? 1 : 0;
    return { high: 0, low: shiftRightSticky(value.high, shift - 32) | below };
  }
  const dropped = value.low & ((1 << shift) - 1);
  const low = (value.high << (32 - shift)) | (value.low >>> shift) | (dropped !== 0 ? 1 : 0);
  return { high: value.high >>> shift, low: low >>> 0 };
}
