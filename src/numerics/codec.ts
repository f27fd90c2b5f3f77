import { inputError } from '../errors.ts';
import { INF_BITS, NAN_BITS } from './f32.ts';
import { type Format, type FormatName, formats, type Overflow, type Rounding } from './formats.ts';
import { philoxWords, streams } from './philox.ts';

/** Codes of a format, one a lane: Uint8Array up to 8 bits, Uint16Array up to 16, Uint32Array for f32 bits. */
export type Lanes = Uint8Array | Uint16Array | Uint32Array;

/** How {@link encode} rounds. */
export interface EncodeOptions {
  /** Default `nearest-even`. */
  readonly rounding?: Rounding;
  /** Default `saturate`. */
  readonly overflow?: Overflow;
  /** Philox key of stochastic rounding, a u32. Default 0. */
  readonly seed?: number;
}

/** Every rounding mode. */
export const roundings: readonly Rounding[] = [
  'nearest-even',
  'toward-zero',
  'toward-positive',
  'toward-negative',
  'nearest-away',
  'to-odd',
  'stochastic',
];

/** Formats that can be encoded to; the fnuz pair is decoded only. */
export const encodeFormats: readonly FormatName[] = (Object.keys(formats) as FormatName[]).filter(
  (name) => formats[name].specials !== 'fnuz',
);

/** Refuses formats that are decoded only, and `ieee` overflow for formats with neither Inf nor NaN. `where` names the field or argument. */
export function assertEncodable(name: FormatName, overflow: Overflow, where: string): void {
  if (!encodeFormats.includes(name)) {
    const known = Object.hasOwn(formats, name);
    const problem = known ? `${name} is decoded only` : `unknown format ${JSON.stringify(name)}`;
    const code = known ? 'decode-only-format' : 'unknown-format';
    throw inputError(problem, code, where, `use one of ${encodeFormats.join(', ')}`);
  }
  if (overflow !== 'saturate' && overflow !== 'ieee') {
    throw inputError(`unknown overflow ${JSON.stringify(overflow)}`, 'unknown-overflow', where, 'use saturate or ieee');
  }
  if (overflow === 'ieee' && formats[name].specials === 'finite') {
    throw inputError(
      `${name} has neither Inf nor NaN for ieee overflow`,
      'unsupported-overflow',
      where,
      'use overflow saturate',
    );
  }
}

/** Whether a code of the format (u32) is a NaN. */
export function isNanCode(code: number, format: Format): boolean {
  const magnitude = magnitudeOf(code, format);
  switch (format.specials) {
    case 'ieee':
      return magnitude > format.infCode;
    case 'fn':
      return magnitude === format.nanCode;
    case 'fnuz':
    case 'scale':
      return code === format.nanCode;
    case 'finite':
      return false;
  }
}

/** Whether a code of the format is +Inf or -Inf. */
export function isInfCode(code: number, format: Format): boolean {
  return format.infCode >= 0 && magnitudeOf(code, format) === format.infCode;
}

function magnitudeOf(code: number, format: Format): number {
  return format.signBits === 0 ? code : code % 2 ** (format.bits - 1);
}

/**
 * The code of the f32 with these bits (u32). `random` is the element's 32 random bits, for `stochastic` alone.
 * The pair of format and overflow is taken as checked: see {@link assertEncodable}.
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
  return negative ? code + 2 ** (format.bits - 1) : code;
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
    biased >= 2 ** format.exponentBits
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
  const base = normal ? (biased - 1) * 2 ** mantissaBits : 0;
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
  const half = 2 ** (shift - 1);
  switch (rounding) {
    case 'nearest-even':
      return remainder > half || (remainder === half && code % 2 === 1);
    case 'nearest-away':
      return remainder >= half;
    case 'toward-zero':
      return false;
    case 'toward-positive':
      return !negative;
    case 'toward-negative':
      return negative;
    case 'to-odd':
      return code % 2 === 0;
    case 'stochastic':
      return remainder + (random >>> (32 - shift)) >= 2 ** shift;
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

const decodeTables = new Map<Format, Uint32Array>();

/** f32 bits of every code of a format of at most 16 bits, by code; built once, not to be written to. */
export function decodeTable(format: Format): Uint32Array {
  let table = decodeTables.get(format);
  if (table === undefined) {
    table = Uint32Array.from({ length: 2 ** format.bits }, (_, code) => decodeFields(code, format));
    decodeTables.set(format, table);
  }
  return table;
}

/** f32 bits of a code: exact in every format; NaN gives 0x7FFFFFFF. */
export function decodeBits(code: number, format: Format): number {
  return format.bits <= 16 ? decodeTable(format)[code]! : decodeFields(code, format);
}

function decodeFields(code: number, format: Format): number {
  if (isNanCode(code, format)) return NAN_BITS;
  const magnitude = magnitudeOf(code, format);
  const sign = magnitude === code ? 0 : 0x80000000;
  if (magnitude === format.infCode) return sign + INF_BITS;
  return sign + decodeMagnitude(magnitude, format);
}

/** f32 bits of a finite magnitude's code. */
function decodeMagnitude(code: number, format: Format): number {
  const { mantissaBits, bias } = format;
  const field = Math.floor(code / 2 ** mantissaBits);
  const mantissa = code % 2 ** mantissaBits;
  const isScale = format.specials === 'scale';
  if (field === 0 && mantissa === 0 && !isScale) return 0;
  // significand * 2^exponent, normalized so that the significand has 24 bits.
  const whole = field === 0 && !isScale ? mantissa : mantissa + 2 ** mantissaBits;
  const zeros = Math.clz32(whole) - 8;
  const significand = whole << zeros;
  const biased = Math.max(field, isScale ? 0 : 1) - bias - mantissaBits - zeros + 23 + 127;
  // Only e8m0's 2^-127, bf16's and f32's subnormals lie below the least normal f32; each has the bits to spare.
  return biased >= 1 ? (biased - 1) * 2 ** 23 + significand : significand >>> (1 - biased);
}

const encodeTables = new Map<string, Uint8Array>();

/**
 * Codes of a format of at most 3 mantissa bits by {@link tableIndex}: sign, exponent and 4 mantissa bits of the f32 with a sticky bit
 * decide every deterministic rounding, for no rounding boundary lies lower.
 */
export function encodeTable(format: Format, rounding: Exclude<Rounding, 'stochastic'>, overflow: Overflow): Uint8Array {
  const key = `${format.name} ${rounding} ${overflow}`;
  let table = encodeTables.get(key);
  if (table === undefined) {
    table = Uint8Array.from({ length: 2 ** 14 }, (_, index) =>
      encodeBits(((index >>> 1) << 19) | (index & 1), format, rounding, overflow),
    );
    encodeTables.set(key, table);
  }
  return table;
}

/** Index of f32 bits in an {@link encodeTable}. */
export function tableIndex(bits: number): number {
  return ((bits >>> 19) << 1) | ((bits & 0x7ffff) === 0 ? 0 : 1);
}

/** A function from f32 bits to codes, by table where the format is small; the same codes as {@link encodeBits}. */
export function encoder(
  format: Format,
  rounding: Exclude<Rounding, 'stochastic'>,
  overflow: Overflow,
): (bits: number) => number {
  if (format.mantissaBits > 3) return (bits) => encodeBits(bits, format, rounding, overflow);
  const table = encodeTable(format, rounding, overflow);
  return (bits) => table[tableIndex(bits)]!;
}

/** A zeroed lane array for codes of a format. */
export function allocateLanes(format: Format, length: number): Lanes {
  if (format.bits <= 8) return new Uint8Array(length);
  return format.bits <= 16 ? new Uint16Array(length) : new Uint32Array(length);
}

/**
 * Codes of f32 values: element i of the result is the code of values[i]. Stochastic rounding draws element i's word from
 * Philox, key (seed, 0), stream 1. Throws for unknown names, decode-only formats, and `ieee` overflow where a format has no Inf or NaN.
 */
export function encode(values: Float32Array, format: FormatName, options: EncodeOptions = {}): Lanes {
  const { rounding = 'nearest-even', overflow = 'saturate', seed = 0 } = options;
  assertEncodable(format, overflow, 'encode');
  assertRounding(rounding, seed);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return encodeLanes(bits, formats[format], rounding, overflow, seed);
}

function assertRounding(rounding: Rounding, seed: number): void {
  if (!roundings.includes(rounding)) {
    const known = roundings.join(', ');
    throw inputError(
      `unknown rounding ${JSON.stringify(rounding)}`,
      'unknown-rounding',
      'encode',
      `use one of ${known}`,
    );
  }
  if (seed >>> 0 !== seed) {
    throw inputError(`seed ${seed} is not a u32`, 'bad-seed', 'encode', 'use an integer from 0 to 4294967295');
  }
}

/** {@link encode} on f32 bits, for checked arguments; `first` is the logical index of bits[0] in a larger tensor. */
export function encodeLanes(
  bits: Uint32Array,
  format: Format,
  rounding: Rounding,
  overflow: Overflow,
  seed = 0,
  first = 0,
): Lanes {
  const codes = allocateLanes(format, bits.length);
  if (rounding === 'stochastic') {
    const random = new Uint32Array(bits.length);
    philoxWords(seed, streams.rounding, first, random);
    for (let i = 0; i < bits.length; i++) codes[i] = encodeBits(bits[i]!, format, rounding, overflow, random[i]!);
  } else if (format.mantissaBits <= 3) {
    const table = encodeTable(format, rounding, overflow);
    for (let i = 0; i < bits.length; i++) codes[i] = table[tableIndex(bits[i]!)]!;
  } else {
    for (let i = 0; i < bits.length; i++) codes[i] = encodeBits(bits[i]!, format, rounding, overflow);
  }
  return codes;
}

/** Values of codes, exact. Throws for an unknown format and for a lane outside it. */
export function decode(codes: Lanes, format: FormatName): Float32Array {
  if (!Object.hasOwn(formats, format)) {
    const known = Object.keys(formats).join(', ');
    throw inputError(`unknown format ${JSON.stringify(format)}`, 'unknown-format', 'decode', `use one of ${known}`);
  }
  const values = new Float32Array(codes.length);
  decodeLanes(codes, formats[format], new Uint32Array(values.buffer));
  return values;
}

function decodeLanes(codes: Lanes, format: Format, bits: Uint32Array): void {
  if (format.bits > 16) {
    for (let i = 0; i < codes.length; i++) bits[i] = decodeFields(codes[i]!, format);
    return;
  }
  const table = decodeTable(format);
  for (let i = 0; i < codes.length; i++) {
    const value = table[codes[i]!];
    if (value === undefined) {
      throw inputError(
        `lane ${i} holds ${codes[i]}, not a code of ${format.name}`,
        'bad-code',
        'decode',
        'pass codes of the format',
      );
    }
    bits[i] = value;
  }
}
