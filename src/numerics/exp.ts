/**
 * exp, log1p and what follows from them, as docs/numerics.md ("Functions") pins them: in integers, the same bits in every wing. Each is within
 * 0.6 ULP of the true value; exp and sigmoid never decrease. Arguments and results are f32 bits.
 */
import { bitsOf, fromBits, INF_BITS, NAN_BITS } from './f32.ts';

const ONE = 0x3f800000;
const HALF = 0x3f000000;

/** log2(e) - 1 as 64 bits behind the point. */
const LOG2_E = [0x71547652, 0xb82fe177] as const;
/** ln(2) as 64 bits behind the point. */
const LN_2 = [0xb17217f7, 0xd1cf79ab] as const;

/** (2^f - 1) / f on [0, 1], in units of 2^-32, highest power first; within 2^-33. */
const POWER = [0x15bd2, 0x99316, 0x57bf1a, 0x2763464, 0xe3589f8, 0x3d7f7ba5, 0xb17217f8] as const;
/** (atanh(s) / s - 1) / s^2 as a polynomial of s^2 on [0, 1/9], in units of 2^-32, highest power first; within 2^-31. */
const ATANH = [0x1dba25f0, 0x1bc8cf8d, 0x249924d4, 0x33331a90, 0x55555563] as const;

/** A positive number: significand * 2^(exponent - 31), significand in [2^31, 2^32). */
interface Power {
  readonly significand: number;
  readonly exponent: number;
}

/** High 32 bits of the product of two u32. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const crossed = aLow * bHigh + (middle & 0xffff);
  return aHigh * bHigh + (middle >>> 16) + (crossed >>> 16);
}

/** floor((high * 2^32 + low) / divisor), high < divisor: two digits of 16 bits, each from a dividend below 2^48, which a double divides exactly. */
function divideWide(high: number, low: number, divisor: number): number {
  const upper = high * 0x10000 + (low >>> 16);
  const first = Math.floor(upper / divisor);
  const lower = (upper - first * divisor) * 0x10000 + (low & 0xffff);
  return first * 0x10000 + Math.floor(lower / divisor);
}

/** floor(value / 2^count) of a u32; 0 from 32 on. */
const shiftRight = (value: number, count: number): number => (count > 31 ? 0 : value >>> count);

/** Horner's rule in units of 2^-32, every product cut. */
function polynomial(coefficients: readonly number[], x: number): number {
  return coefficients.reduce((sum, coefficient) => coefficient + multiplyHigh(sum, x), 0);
}

/** e^x of a finite |x| < 128. */
function powerOfE(x: number): Power {
  // |x| * log2(e) in units of 2^-32.
  const scaled = Math.floor(Math.abs(x) * 2 ** 32);
  const whole = Math.floor(scaled / 2 ** 32);
  const cut = Math.floor((whole * LOG2_E[1]) / 2 ** 32) + multiplyHigh(scaled % 2 ** 32, LOG2_E[0]);
  const product = scaled + whole * LOG2_E[0] + cut;
  const signed = x < 0 ? -product : product;
  const exponent = Math.floor(signed / 2 ** 32);
  const fraction = signed - exponent * 2 ** 32;
  const above = multiplyHigh(polynomial(POWER, fraction), fraction);
  return { significand: 2 ** 31 + (above >>> 1), exponent };
}

/** The f32 nearest to value * 2^exponent; a double holds the product of at most 53 bits exactly. */
function pack(value: number, exponent: number): number {
  return bitsOf(value * 2 ** exponent);
}

/** exp(x): f32 bits of e^x. */
export function expBits(bits: number): number {
  const x = fromBits(bits);
  if (Number.isNaN(x)) return NAN_BITS;
  if (Math.abs(x) >= 128) return x < 0 ? 0 : INF_BITS;
  const { significand, exponent } = powerOfE(x);
  return pack(significand, exponent - 31);
}

/** 1 / (1 + e^-x). */
export function sigmoidBits(bits: number): number {
  const x = fromBits(bits);
  if (Number.isNaN(x)) return NAN_BITS;
  if (Math.abs(x) >= 128) return x < 0 ? 0 : ONE;
  const { significand, exponent } = powerOfE(-Math.abs(x));
  if (exponent === 0) return HALF;
  const divisor = 2 ** 31 + shiftRight(significand, -exponent);
  if (x >= 0) return pack(divideWide(0x7fffffff, 0xffffffff, divisor), -32);
  return pack(divideWide(significand >>> 1, (significand & 1) << 31, divisor), exponent - 31);
}

/**
 * ln(1 + sign * t), |t| at most 1, and at most 1/2 where the sign is -1, as 2 atanh(t / (2 + t)): the magnitude is the returned u32 times
 * 2^(t.exponent - 30).
 */
function logOfOnePlus(t: Power, sign: 1 | -1): number {
  const { significand, exponent } = t;
  const divisor = 2 ** 31 + sign * shiftRight(significand, 1 - exponent);
  const quotient = divideWide(significand >>> 2, (significand & 3) << 30, divisor);
  const s = exponent === 0 ? 2 * quotient : shiftRight(quotient, -exponent - 1);
  const square = multiplyHigh(s, s);
  const correction = multiplyHigh(square, polynomial(ATANH, square));
  return quotient + multiplyHigh(quotient, correction);
}

/** ln(1 + t) in units of 2^-32, cut. */
function fixedLogOfOnePlus(t: Power): number {
  return Math.floor(logOfOnePlus(t, 1) * 2 ** (t.exponent + 2));
}

/** The positive number value * 2^exponent, value a u32. */
function normalized(value: number, exponent: number): Power {
  const zeros = Math.clz32(value);
  return { significand: (value << zeros) >>> 0, exponent: exponent + 31 - zeros };
}

/** The magnitude of a finite f32 that is not zero. */
function magnitudeOf(bits: number): Power {
  const field = (bits >>> 23) & 0xff;
  const fraction = bits & 0x7fffff;
  return field === 0 ? normalized(fraction, -149) : normalized(fraction | 0x800000, field - 150);
}

/** The magnitude of the natural logarithm of a number whose exponent is not 0, in units of 2^-32. */
function fixedLog({ significand, exponent }: Power): number {
  const count = Math.abs(exponent);
  const whole = count * LN_2[0] + Math.floor((count * LN_2[1]) / 2 ** 32);
  const rest = significand - 2 ** 31;
  const log = rest === 0 ? 0 : fixedLogOfOnePlus(normalized(rest, -31));
  return exponent < 0 ? whole - log : whole + log;
}

/** ln(1 + x); -Inf at -1, NaN below. */
export function log1pBits(bits: number): number {
  const x = fromBits(bits);
  if (Number.isNaN(x) || x < -1) return NAN_BITS;
  if (x === -1) return bitsOf(Number.NEGATIVE_INFINITY);
  if (x === 0 || x === Number.POSITIVE_INFINITY) return bits >>> 0;
  const magnitude = magnitudeOf(bits);
  if (x > -0.5 && x <= 1) {
    const sign = x < 0 ? -1 : 1;
    return pack(sign * logOfOnePlus(magnitude, sign), magnitude.exponent - 30);
  }
  if (x < 0) return pack(-fixedLog(normalized(2 ** 31 - (magnitude.significand >>> 1), -31)), -32);
  return pack(fixedLog(onePlus(magnitude)), -32);
}

/** 1 + x, x above 1: exact but where the 1 lies below 32 bits. */
function onePlus({ significand, exponent }: Power): Power {
  const sum = significand + shiftRight(2 ** 31, exponent);
  return sum < 2 ** 32 ? { significand: sum, exponent } : { significand: Math.floor(sum / 2), exponent: exponent + 1 };
}

/** ln(1 + e^x); x itself past 20, where the two are less than a thousandth of a ULP apart. */
export function softplusBits(bits: number): number {
  const x = fromBits(bits);
  if (Number.isNaN(x)) return NAN_BITS;
  if (x > 20) return bits >>> 0;
  if (x <= -128) return 0;
  const t = powerOfE(-Math.abs(x));
  if (x < 0) return pack(logOfOnePlus(t, 1), t.exponent - 30);
  return pack(Math.floor(x * 2 ** 32) + fixedLogOfOnePlus(t), -32);
}

/** The square root, correctly rounded: a double's root of an f32, rounded to f32, is it (Figueroa 1995). */
export function sqrtBits(bits: number): number {
  return bitsOf(Math.sqrt(fromBits(bits)));
}

/** The pinned functions by name; WGSL knows them by their place. */
export const pinnedFunctions = {
  exp: expBits,
  sigmoid: sigmoidBits,
  log1p: log1pBits,
  softplus: softplusBits,
  sqrt: sqrtBits,
} as const;

/** Name of a pinned function. */
export type PinnedFunction = keyof typeof pinnedFunctions;
