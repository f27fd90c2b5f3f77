import { decodeBits, isInfCode, isNanCode } from '../../src/numerics/codec.ts';
import { fromBits } from '../../src/numerics/f32.ts';
import type { Format, Overflow, Rounding } from '../../src/numerics/formats.ts';

/** The finite magnitudes of a format, ascending, with the step past the largest that an unbounded exponent would have; index = code. */
export function magnitudes(format: Format): Float64Array {
  const values = [];
  for (let code = 0; code <= format.maxCode; code++) {
    if (!isNanCode(code, format) && !isInfCode(code, format)) values.push(fromBits(decodeBits(code, format)));
  }
  // The next code's value, were it a number: one more unit of the last binade, whose next may be a power of two.
  const [last, before] = [values.at(-1)!, values.at(-2)!];
  values.push(format.mantissaBits === 0 ? 2 * last : 2 * last - before);
  return Float64Array.from(values);
}

/** Largest index whose value is at most x; 0 where x lies below the first. */
function floorIndex(values: Float64Array, x: number): number {
  let [low, high] = [0, values.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (values[middle]! <= x) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * The code of a value by search among the values of all codes: an independent statement of docs/numerics.md, "Encoding f32". `x` may be any
 * double whose distances to the codes are exact. Deterministic roundings only.
 */
export function searchCode(
  x: number,
  format: Format,
  values: Float64Array,
  rounding: Exclude<Rounding, 'stochastic'>,
  overflow: Overflow,
): number {
  if (Number.isNaN(x)) return format.nanCode >= 0 ? format.nanCode : format.maxCode;
  const signed = format.signBits === 1;
  const negative = signed && (x < 0 || Object.is(x, -0));
  const magnitude = Math.abs(x);
  const past = overflow === 'saturate' ? format.maxCode : format.infCode >= 0 ? format.infCode : format.nanCode;
  const sign = negative ? 2 ** (format.bits - 1) : 0;
  if (magnitude === Infinity) return sign + past;
  const index = roundIndex(magnitude, values, rounding, negative, format.specials === 'scale');
  if (index <= format.maxCode) return sign + index;
  const stops =
    rounding === 'toward-zero' ||
    rounding === 'to-odd' ||
    rounding === (negative ? 'toward-positive' : 'toward-negative');
  return sign + (stops ? format.maxCode : past);
}

function roundIndex(x: number, values: Float64Array, rounding: string, negative: boolean, isScale: boolean): number {
  const below = floorIndex(values, x);
  if (values[below] === x || (isScale && x < values[0]!)) return below;
  const above = below + 1;
  // Past the last value every nearest rounding and every one away from zero overflows.
  const half = above < values.length ? (values[below]! + values[above]!) / 2 : values[below]!;
  switch (rounding) {
    case 'nearest-even':
      return x > half || (x === half && below % 2 === 1) ? above : below;
    case 'nearest-away':
      return x >= half ? above : below;
    case 'toward-zero':
      return below;
    case 'toward-positive':
      return negative ? below : above;
    case 'toward-negative':
      return negative ? above : below;
    default:
      return below % 2 === 0 ? above : below;
  }
}
