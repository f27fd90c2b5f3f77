import { decodeBits, encodeBits, isInfCode, isNanCode } from '../../../numerics/codec.ts';
import { bitsOf, fromBits } from '../../../numerics/f32.ts';
import { type FormatName, formats, type Overflow, type Rounding } from '../../../numerics/formats.ts';
import { philoxWord, streams } from '../../../numerics/philox.ts';
import { formatCode, formatValue } from '../../../parity/lanes.ts';
import { traceEncode } from '../../../parity/trace/encode.ts';
import { f32, Recorder } from '../../../parity/trace/steps.ts';
import { dtypeOfFormat } from '../../../tensors/tensor.ts';

/** What kind of number a code stands for. */
export type CodeClass = 'zero' | 'subnormal' | 'normal' | 'infinity' | 'nan';

/** A field of a number's bits. */
export type BitField = 'sign' | 'exponent' | 'mantissa';

/** A code with all that the page says of it. */
export interface CodeView {
  readonly code: number;
  /** `0x2A`. */
  readonly hex: string;
  /** The bits, highest first. */
  readonly bits: readonly { readonly set: boolean; readonly field: BitField }[];
  readonly kind: CodeClass;
  readonly value: number;
  /** Values of the codes below and above on the number line; undefined past the ends. */
  readonly previous: number | undefined;
  readonly next: number | undefined;
  /** Distance to the next larger magnitude (to the smaller one at the end); undefined for what is no finite number. */
  readonly ulp: number | undefined;
  /** How the value comes from the fields. */
  readonly formula: string;
}

/** Exact value of a code. */
export function codeValueOf(code: number, format: FormatName): number {
  return fromBits(decodeBits(code, formats[format]));
}

/** Code of a value, by way of f32. */
export function codeOf(x: number, format: FormatName, rounding: Rounding, overflow: Overflow, random = 0): number {
  return encodeBits(bitsOf(Math.fround(x)), formats[format], rounding, overflow, random);
}

/** The number's value in short: at most `digits` digits; whole numbers of up to five digits exactly. */
export function shortValue(value: number, digits = 3): string {
  if (!Number.isFinite(value) || value === 0) return formatValue(value).replace('Infinity', '∞');
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 100_000) return String(value);
  if (size >= 0.001 && size < 100_000) return String(Number(value.toPrecision(digits)));
  return value.toExponential(Math.max(digits - 2, 0)).replace('e+', 'e');
}

function fieldOf(index: number, format: FormatName): BitField {
  const { signBits, exponentBits } = formats[format];
  if (index < signBits) return 'sign';
  return index < signBits + exponentBits ? 'exponent' : 'mantissa';
}

function classOf(code: number, format: FormatName): CodeClass {
  const description = formats[format];
  if (isNanCode(code, description)) return 'nan';
  if (isInfCode(code, description)) return 'infinity';
  const value = Math.abs(codeValueOf(code, format));
  if (value === 0) return 'zero';
  return value < description.minNormal ? 'subnormal' : 'normal';
}

/** The code `steps` further along the number line, or undefined past its end. -0 counts as 0. */
export function neighbour(code: number, format: FormatName, steps: number): number | undefined {
  const { signBits, bits, maxCode, infCode } = formats[format];
  const signBit = signBits === 1 ? 2 ** (bits - 1) : 0;
  const negative = signBit > 0 && code >= signBit;
  const top = infCode >= 0 ? infCode : maxCode;
  const place = (negative ? signBit - code : code) + steps;
  if (Math.abs(place) > top || (place < 0 && signBit === 0)) return undefined;
  return place < 0 ? signBit - place : place;
}

function formulaOf(code: number, format: FormatName, kind: CodeClass): string {
  const { signBits, exponentBits, mantissaBits, bias, specials } = formats[format];
  const fraction = code % 2 ** mantissaBits;
  const exponent = Math.floor(code / 2 ** mantissaBits) % 2 ** exponentBits;
  const negative = signBits === 1 && code >= 2 ** (exponentBits + mantissaBits);
  const minus = negative ? '−' : '';
  if (kind === 'nan') return specials === 'ieee' ? 'exponent all ones, mantissa not zero: NaN' : 'all ones: NaN';
  if (kind === 'infinity') return `exponent all ones, mantissa zero: ${minus}∞`;
  if (kind === 'zero') return 'exponent and mantissa zero';
  if (specials === 'scale') return `2^(${exponent} − ${bias})`;
  const parts = mantissaBits === 0 ? '' : `${fraction}/${2 ** mantissaBits}`;
  return kind === 'subnormal'
    ? `${minus}2^(1 − ${bias}) × ${parts}`
    : `${minus}2^(${exponent} − ${bias}) × (1 + ${parts})`;
}

/** All that is said of a code. */
export function describeCode(code: number, format: FormatName): CodeView {
  const { bits: width } = formats[format];
  const kind = classOf(code, format);
  const step = (steps: number) => {
    const other = kind === 'nan' ? undefined : neighbour(code, format, steps);
    return other === undefined ? undefined : codeValueOf(other, format);
  };
  const value = codeValueOf(code, format);
  const previous = step(-1);
  const next = step(1);
  return {
    code,
    hex: formatCode(code, dtypeOfFormat[format]),
    bits: Array.from({ length: width }, (_, i) => ({
      set: Math.floor(code / 2 ** (width - 1 - i)) % 2 === 1,
      field: fieldOf(i, format),
    })),
    kind,
    value,
    previous,
    next,
    ulp: ulpOf(value, previous, next),
    formula: formulaOf(code, format, kind),
  };
}

function ulpOf(value: number, previous: number | undefined, next: number | undefined): number | undefined {
  if (!Number.isFinite(value)) return undefined;
  const [outward, inward] = value < 0 ? [previous, next] : [next, previous];
  const other = outward !== undefined && Number.isFinite(outward) ? outward : inward;
  return other === undefined ? undefined : Math.abs(other - value);
}

/** Where a value falls between the codes of a format, and which rule decided. */
export interface RoundingView {
  /** x as f32: what is encoded. */
  readonly x: number;
  readonly code: number;
  readonly value: number;
  /** Which rule fired, in words. */
  readonly note: string;
  /** Values on either side of x; undefined where x is no finite number. */
  readonly low: number | undefined;
  readonly high: number | undefined;
  /** Half-way between them. */
  readonly midpoint: number | undefined;
  /** Code values around x, ascending. */
  readonly ticks: readonly number[];
  /** `saturated`: past the largest code; `underflowed`: not zero, but its code is. */
  readonly event: 'exact' | 'rounded' | 'saturated' | 'underflowed' | 'special';
}

/** The word that stochastic rounding draws first: what the library gives a single value. */
const firstWord = philoxWord(0, 0, streams.rounding);

/** How a format may treat what is past its largest code: one that has finite codes alone saturates. */
export const overflowOf = (format: FormatName, wanted: Overflow): Overflow =>
  formats[format].specials === 'finite' ? 'saturate' : wanted;

/** The rounding of x, derived by the definition; `random` are the bits that stochastic rounding draws. */
export function roundingView(
  x: number,
  format: FormatName,
  rounding: Rounding,
  overflow: Overflow,
  random = firstWord,
): RoundingView {
  const bits = bitsOf(Math.fround(x));
  const recorder = new Recorder();
  const result = traceEncode(recorder, f32('x', bits), 0, { format, rounding, overflow, random });
  const code = Number(result.code);
  const value = codeValueOf(code, format);
  const single = Math.fround(x);
  const note = (recorder.steps[0] as { note?: string }).note ?? '';
  const between = surroundings(single, format);
  return { x: single, code, value, note, ...between, event: eventOf(single, value, format) };
}

function eventOf(x: number, value: number, format: FormatName): RoundingView['event'] {
  if (!Number.isFinite(x)) return 'special';
  if (value === x) return 'exact';
  if (Math.abs(x) > formats[format].max && !(Math.abs(value) < formats[format].max)) return 'saturated';
  return value === 0 ? 'underflowed' : 'rounded';
}

function surroundings(x: number, format: FormatName): Pick<RoundingView, 'low' | 'high' | 'midpoint' | 'ticks'> {
  const nothing = { low: undefined, high: undefined, midpoint: undefined, ticks: [] };
  if (!Number.isFinite(x)) return nothing;
  if (formats[format].signBits === 0 && x < 0) return nothing;
  const towardZero = codeOf(x, format, 'toward-zero', 'saturate');
  const start = codeValueOf(towardZero, format);
  const inner = start <= x ? towardZero : (neighbour(towardZero, format, -1) ?? towardZero);
  const codes = [-2, -1, 0, 1, 2, 3].map((steps) => neighbour(inner, format, steps));
  const values = codes.filter((code) => code !== undefined).map((code) => codeValueOf(code, format));
  const ticks = values.filter(Number.isFinite);
  const low = ticks.filter((tick) => tick <= x).at(-1);
  const high = ticks.find((tick) => tick > x);
  const midpoint = low === undefined || high === undefined ? undefined : (low + high) / 2;
  return { low, high, midpoint, ticks };
}

/** How often each code came out of `draws` stochastic roundings, Philox words from `first` on; ascending by value. */
export function stochasticCounts(
  x: number,
  format: FormatName,
  overflow: Overflow,
  draws: number,
): { code: number; value: number; count: number }[] {
  const counts = new Map<number, number>();
  for (let i = 0; i < draws; i++) {
    const code = codeOf(x, format, 'stochastic', overflow, philoxWord(0, i, streams.rounding));
    counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  return Array.from(counts, ([code, count]) => ({ code, value: codeValueOf(code, format), count })).sort(
    (a, b) => a.value - b.value,
  );
}

/** Values that show each rule, for a format. */
export function examplesOf(format: FormatName): { name: string; x: number }[] {
  const { max, minSubnormal, minNormal, mantissaBits, specials } = formats[format];
  const examples = [
    { name: 'a tie', x: 1 + 2 ** -(mantissaBits + 1) },
    { name: 'just past a tie', x: Math.fround(1 + 2 ** -(mantissaBits + 1) + 2 ** -(mantissaBits + 5)) },
    { name: 'past the largest', x: Math.min(max * 4, 3.4028234663852886e38) },
    { name: 'half the least', x: minSubnormal / 2 },
    { name: 'a subnormal', x: minNormal * 0.4 },
    { name: 'infinity', x: Number.POSITIVE_INFINITY },
    { name: 'NaN', x: Number.NaN },
  ];
  return specials === 'scale'
    ? examples.filter(({ name }) => !['a subnormal', 'half the least'].includes(name))
    : examples;
}
