import { inputError } from '../errors.ts';
import { decodeBits, decodeTable } from './decode-bits.ts';
import { encodeBits } from './encode-bits.ts';
import { INF_BITS } from './f32.ts';
import { type Format, type FormatName, formats, type Overflow, type Rounding, roundings } from './formats.ts';
import { philoxWords, streams } from './philox.ts';

export { decodeBits, decodeTable, isInfCode, isNanCode } from './decode-bits.ts';
export { encodeBits, encodeScaledBits } from './encode-bits.ts';
export { roundings } from './formats.ts';

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

/** A function from f32 bits to codes: the same as {@link encodeBits}, by the shortest way for the format. */
export function encoder(
  format: Format,
  rounding: Exclude<Rounding, 'stochastic'>,
  overflow: Overflow,
): (bits: number) => number {
  const general = (bits: number): number => encodeBits(bits, format, rounding, overflow);
  if (format.name === 'f32') return (bits) => ((bits & INF_BITS) === INF_BITS ? general(bits) : bits);
  if (format.name === 'bf16' && rounding === 'nearest-even') return bf16Encoder(general);
  if (format.mantissaBits > 3) return general;
  const table = encodeTable(format, rounding, overflow);
  return (bits) => table[tableIndex(bits)]!;
}

/** bf16 is the top half of an f32: nearest even is one addition, but for overflow, Inf and NaN. */
function bf16Encoder(general: (bits: number) => number): (bits: number) => number {
  const firstOverflow = 0x7f7f8000;
  return (bits) =>
    (bits & 0x7fffffff) >= firstOverflow ? general(bits) : (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** A zeroed lane array for codes of a format. */
export function allocateLanes(format: Format, length: number): Lanes {
  if (format.bits <= 8) return new Uint8Array(length);
  return format.bits <= 16 ? new Uint16Array(length) : new Uint32Array(length);
}

/**
 * Codes of f32 values: element i of the result is the code of values[i]. Stochastic rounding draws element i's word from
 * Philox, key (seed, 0), stream 1. Throws for unknown names,
 * decode-only formats, `ieee` overflow where a format has no Inf or NaN, and values that are no Float32Array.
 */
export function encode(values: Float32Array, format: FormatName, options: EncodeOptions = {}): Lanes {
  const { rounding = 'nearest-even', overflow = 'saturate', seed = 0 } = options;
  assertEncodable(format, overflow, 'encode');
  assertRounding(rounding, seed);
  if (!(values instanceof Float32Array)) {
    throw inputError('values are not a Float32Array', 'bad-values', 'encode', 'pass Float32Array.from(values)');
  }
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
    return codes;
  }
  // The table is read here rather than through `encoder`: a call an element would cost five times the look-up.
  if (format.mantissaBits <= 3) {
    const table = encodeTable(format, rounding, overflow);
    for (let i = 0; i < bits.length; i++) codes[i] = table[tableIndex(bits[i]!)]!;
    return codes;
  }
  const code = encoder(format, rounding, overflow);
  for (let i = 0; i < bits.length; i++) codes[i] = code(bits[i]!);
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
    for (let i = 0; i < codes.length; i++) bits[i] = decodeBits(codes[i]!, format);
    return;
  }
  const table = decodeTable(format);
  for (let i = 0; i < codes.length; i++) {
    const value = table[codes[i]!];
    if (value === undefined) throw badCode(i, codes[i]!, format);
    bits[i] = value;
  }
}

function badCode(lane: number, code: number, format: Format): Error {
  const fix = `pass codes below ${2 ** format.bits}, one a lane`;
  return inputError(`lane ${lane} holds ${code}, not a code of ${format.name}`, 'bad-code', 'decode', fix);
}
