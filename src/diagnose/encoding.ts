import { divBits, INF_BITS, mulBits, NAN_BITS } from '../numerics/f32.ts';
import { type Format, formats, type Overflow, type Rounding } from '../numerics/formats.ts';
import { type Factor, quantizeBits } from '../numerics/scale.ts';
import { roundTo, type TileOutcome } from './quantizers.ts';

/** `nearest-down`: ties toward zero, as a chain of comparisons with the midpoints makes them (DeepGEMM's FP4 on a CPU). */
export type AnyRounding = Rounding | 'nearest-down';

/** How codes are made from what a tile's factor leaves. */
export interface Encoding {
  readonly rounding: AnyRounding;
  readonly overflow: Overflow;
  /** `flushed`: subnormal codes become zero; `flushed-first`: values below the least normal, before they are rounded. */
  readonly subnormals: string;
  /** `dropped`: zero has no sign. */
  readonly zeroSign: string;
}

/** The code of an element under its tile's outcome. */
export function codeOf(
  bits: number,
  { factor, through }: TileOutcome,
  format: Format,
  encoding: Encoding,
  random: number,
): number {
  const value = through === undefined ? bits : roundTo(scaledBy(bits, factor), formats[through]);
  const applied = through === undefined ? factor : restOf(factor);
  const rounded = (rounding: Rounding): number =>
    quantizeBits(value, applied, format, rounding, encoding.overflow, random);
  const code =
    encoding.rounding === 'nearest-down' ? tiesDown(value, applied, format, encoding) : rounded(encoding.rounding);
  const signBit = format.signBits === 0 ? 0 : 2 ** (format.bits - 1);
  const magnitude = code & (signBit - 1);
  // FNUZ formats have no negative zero: its code is NaN.
  if (format.specials === 'fnuz' && magnitude === 0 && code === signBit && value !== NAN_BITS) return 0;
  if (encoding.subnormals === 'flushed-first' && magnitude <= 2 ** format.mantissaBits) {
    // Truncated, a value below the least normal is a subnormal: whatever it rounds to.
    const cut = rounded('toward-zero') & (signBit - 1);
    if (cut < 2 ** format.mantissaBits) return encoding.zeroSign === 'dropped' ? 0 : code - magnitude;
  }
  if (encoding.subnormals === 'flushed' && magnitude < 2 ** format.mantissaBits)
    return encoding.zeroSign === 'dropped' ? 0 : code - magnitude;
  return encoding.zeroSign === 'dropped' && magnitude === 0 ? 0 : code;
}

/** Ties toward zero: ties away of the f32 next below in magnitude, for no code's midpoint lies between two f32. */
function tiesDown(bits: number, factor: Factor, format: Format, { overflow }: Encoding): number {
  const scaled = scaledBy(bits, factor);
  const magnitude = scaled & 0x7fffffff;
  const below = magnitude === 0 || magnitude > INF_BITS ? scaled : scaled - 1;
  return quantizeBits(below, restOf(factor), format, 'nearest-away', overflow);
}

/** The f32 product or quotient by a factor that is one. */
function scaledBy(bits: number, factor: Factor): number {
  if (factor.kind === 'divide') return divBits(bits, factor.bits);
  return factor.kind === 'multiply' ? mulBits(bits, factor.bits) : bits;
}

/** What is left of a factor after {@link scaledBy}. */
const restOf = (factor: Factor): Factor =>
  factor.kind === 'divide' || factor.kind === 'multiply' ? { kind: 'none' } : factor;
