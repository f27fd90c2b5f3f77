import { INF_BITS, NAN_BITS } from './f32.ts';
import type { Format } from './formats.ts';

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
  return format.signBits === 0 ? code : code & (0x7fffffff >>> (32 - format.bits));
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
  const field = code >>> mantissaBits;
  const mantissa = code & ((1 << mantissaBits) - 1);
  const isScale = format.specials === 'scale';
  if (field === 0 && mantissa === 0 && !isScale) return 0;
  // significand * 2^exponent, normalized so that the significand has 24 bits.
  const whole = field === 0 && !isScale ? mantissa : mantissa + (1 << mantissaBits);
  const zeros = Math.clz32(whole) - 8;
  const significand = whole << zeros;
  const biased = Math.max(field, isScale ? 0 : 1) - bias - mantissaBits - zeros + 23 + 127;
  // Only e8m0's 2^-127, bf16's and f32's subnormals lie below the least normal f32; each has the bits to spare.
  return biased >= 1 ? (biased - 1) * 2 ** 23 + significand : significand >>> (1 - biased);
}
