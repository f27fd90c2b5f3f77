import { INF_BITS } from './f32.ts';
import type { Format, Overflow, Rounding } from './formats.ts';

/**
 * The code of the f32 with these bits (u32). `random` is the element's 32 random bits, for `stochastic` alone.
 * The pair of format and overflow is taken as checked: see `assertEncodable` in codec.ts.
 */
export function encodeBits(bits: number, format: Format, rounding: Rounding, overflow: Overflow, random = 0): number {
  return encodeScaledBits(bits, 0, format, rounding, overflow, random);
}

/**
 * The code of (the f32 with these bits) * 2^exponent, rounded once from the exact product: nothing under- or overflows in between.
 * `exponent` is any integer of magnitude below 2^30.
 */
export function encodeScaledBits(
  bits: number,
  exponent: number,
  format: Format,
  rounding: Rounding,
  overflow: Overflow,
  random = 0,
): number {
  const magnitude = bits & 0x7fffffff;
  if (magnitude > INF_BITS) return format.nanCode >= 0 ? format.nanCode : format.maxCode;
  const negative = format.signBits === 1 && bits >>> 31 === 1;
  const code =
    magnitude === INF_BITS
      ? overflowCode(format, overflow)
      : encodeMagnitude(magnitude, exponent, negative, format, rounding, overflow, random >>> 0);
  return negative ? (code | (1 << (format.bits - 1))) >>> 0 : code;
}

/** What stands for a magnitude past the largest finite code. */
function overflowCode(format: Format, overflow: Overflow): number {
  if (overflow === 'saturate') return format.maxCode;
  if (format.infCode >= 0) return format.infCode;
  return format.nanCode >= 0 ? format.nanCode : format.maxCode;
}

/** Code, sign clear, of a finite magnitude times 2^exponent. */
function encodeMagnitude(
  magnitude: number,
  exponent: number,
  negative: boolean,
  format: Format,
  rounding: Rounding,
  overflow: Overflow,
  random: number,
): number {
  if (magnitude === 0) return 0;
  // significand in [2^23, 2^24); the value is significand * 2^(biased - bias - 23).
  const zeros = Math.max(Math.clz32(magnitude) - 8, 0);
  const significand = magnitude >>> 23 === 0 ? magnitude << zeros : (magnitude & 0x7fffff) | 0x800000;
  const sourceExponent = magnitude >>> 23 === 0 ? 1 - zeros : magnitude >>> 23;
  const biased = sourceExponent - 127 + exponent + format.bias;
  const code =
    biased >= 1 << format.exponentBits
      ? format.maxCode + 1
      : roundMagnitude(significand, biased, negative, format, rounding, random);
  if (code <= format.maxCode) return code;
  return reachesInfinity(rounding, negative) ? overflowCode(format, overflow) : format.maxCode;
}

/** Rounds significand * 2^(biased - bias - 23) to a code that may pass the largest one by a step. */
function roundMagnitude(
  significand: number,
  biased: number,
  negative: boolean,
  format: Format,
  rounding: Rounding,
  random: number,
): number {
  const { mantissaBits } = format;
  // e8m0 has no subnormals and no zero: all below 2^-127 is its least code.
  const isScale = format.specials === 'scale';
  if (isScale && biased < 0) return 0;
  const normal = isScale || biased >= 1;
  const shift = normal ? 23 - mantissaBits : 24 - mantissaBits - biased;
  if (shift > 24) return roundsUpFromZero(significand, shift, negative, rounding, random) ? 1 : 0;
  // The leading one of a normal significand adds itself to the exponent field.
  const base = normal ? (biased - 1) << mantissaBits : 0;
  const code = base + (significand >>> shift);
  const remainder = significand & ((1 << shift) - 1);
  return roundsUp(code, remainder, shift, negative, rounding, random) ? code + 1 : code;
}

/** Whether a magnitude `remainder` / 2^shift of a step past `code` goes to the next code. */
function roundsUp(
  code: number,
  remainder: number,
  shift: number,
  negative: boolean,
  rounding: Rounding,
  random: number,
): boolean {
  if (remainder === 0) return false;
  const half = 1 << (shift - 1);
  switch (rounding) {
    case 'nearest-even':
      return remainder > half || (remainder === half && (code & 1) === 1);
    case 'nearest-away':
      return remainder >= half;
    case 'toward-zero':
      return false;
    case 'toward-positive':
      return !negative;
    case 'toward-negative':
      return negative;
    case 'to-odd':
      return (code & 1) === 0;
    case 'stochastic':
      return remainder + (random >>> (32 - shift)) >= 1 << shift;
  }
}

/** Whether a magnitude significand / 2^shift of the least code, below half of it (shift > 24), goes up to that code. */
function roundsUpFromZero(
  significand: number,
  shift: number,
  negative: boolean,
  rounding: Rounding,
  random: number,
): boolean {
  switch (rounding) {
    case 'toward-positive':
      return !negative;
    case 'toward-negative':
      return negative;
    case 'to-odd':
      return true;
    case 'stochastic':
      return random >>> 8 < significand >>> Math.min(shift - 24, 24);
    default:
      return false;
  }
}

/** Whether a rounding can pass the largest finite code; those that cannot stop there under either overflow rule. */
function reachesInfinity(rounding: Rounding, negative: boolean): boolean {
  switch (rounding) {
    case 'toward-zero':
    case 'to-odd':
      return false;
    case 'toward-positive':
      return !negative;
    case 'toward-negative':
      return negative;
    default:
      return true;
  }
}
