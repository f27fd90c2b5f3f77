import { decodeTable } from '../numerics/decode-bits.ts';
import { fromBits } from '../numerics/f32.ts';
import { type Format, type FormatName, formats } from '../numerics/formats.ts';
import { type DType, dtypeBits, dtypeOfFormat } from '../tensors/tensor.ts';

/** How the lanes of a dtype are read as numbers. */
export interface LaneReader {
  /** The format, or undefined for integers. */
  readonly format: Format | undefined;
  /** Exact value of a code. */
  value(code: number): number;
  /**
   * Position of a code on the format's own number line: neighbours differ by one, +0 and -0 are both 0, Inf follows the largest finite code.
   * Without meaning for NaN.
   */
  ordered(code: number): number;
}

/** Format of a dtype's codes; undefined for integers and booleans. */
export function formatOfDType(dtype: DType): Format | undefined {
  const name = (Object.keys(dtypeOfFormat) as FormatName[]).find((format) => dtypeOfFormat[format] === dtype);
  return name === undefined ? undefined : formats[name];
}

const readers = new Map<DType, LaneReader>();

/** Reader of a dtype of at most 32 bits. */
export function laneReader(dtype: DType): LaneReader {
  let reader = readers.get(dtype);
  if (reader === undefined) {
    const format = formatOfDType(dtype);
    reader = format === undefined ? integerReader(dtype) : floatReader(format);
    readers.set(dtype, reader);
  }
  return reader;
}

function integerReader(dtype: DType): LaneReader {
  const spare = 32 - Math.min(dtypeBits[dtype], 32);
  const value = dtype.startsWith('I')
    ? (code: number): number => (code << spare) >> spare
    : (code: number): number => code;
  return { format: undefined, value, ordered: value };
}

function floatReader(format: Format): LaneReader {
  const signBit = format.signBits === 0 ? 0 : 2 ** (format.bits - 1);
  const ordered = (code: number): number => (signBit !== 0 && code >= signBit ? signBit - code : code);
  if (format.bits > 16) return { format, value: fromBits, ordered };
  const values = Float32Array.from(decodeTable(format), fromBits);
  return { format, value: (code) => values[code]!, ordered };
}

/**
 * Signed distance from the expected to the actual code in units in the last place: 0 for equal values (+0 and -0 too),
 * undefined where either is NaN.
 */
export function ulpDistance(reader: LaneReader, expected: number, actual: number): number | undefined {
  if (Number.isNaN(reader.value(expected)) || Number.isNaN(reader.value(actual))) return undefined;
  return reader.ordered(actual) - reader.ordered(expected);
}

/** A code as hexadecimal of the dtype's width: `0x7E`. */
export function formatCode(code: number, dtype: DType): string {
  const digits = Math.ceil(Math.min(dtypeBits[dtype], 32) / 4);
  return `0x${code.toString(16).toUpperCase().padStart(digits, '0')}`;
}

/** Shortest decimal that reads back as the same f32: `0.1`, `-0`, `3.4028235e38`, `NaN`. Integers up to 2^32 stand in full. */
export function formatValue(value: number): string {
  if (Object.is(value, -0)) return '-0';
  if (!Number.isFinite(value) || (Number.isInteger(value) && Math.abs(value) <= 2 ** 32)) return String(value);
  for (let digits = 1; digits < 9; digits++) {
    const text = Number(value.toPrecision(digits));
    if (Math.fround(text) === value) return String(text).replace('e+', 'e');
  }
  return String(Number(value.toPrecision(9))).replace('e+', 'e');
}
