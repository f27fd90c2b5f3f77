import { INF_BITS } from '../../numerics/f32.ts';
import { type FormatName, formats, type Overflow, type Rounding } from '../../numerics/formats.ts';
import { dtypeOfFormat } from '../../tensors/tensor.ts';
import { formatValue, laneReader } from '../lanes.ts';
import { codeOf, f32, numberOf, type Quantity, quantity, type Recorder } from './steps.ts';

/** How a value is encoded: target, rounding, overflow, and the random bits of stochastic rounding. */
export interface Encoding {
  readonly format: FormatName;
  readonly rounding: Rounding;
  readonly overflow: Overflow;
  readonly random?: number;
}

/** Encodes x * 2^exponent by the definition (nearest codes and where between them the value lies), and writes down what decided. */
export function traceEncode(
  recorder: Recorder,
  x: Quantity,
  exponent: number,
  encoding: Encoding,
  name = 'code',
): Quantity {
  const { code, note, neighbours } = decide(codeOf(x), exponent, encoding);
  const { format, rounding, overflow } = encoding;
  const argument = exponent === 0 ? x.name : `${x.name} * 2^${exponent}`;
  const result = quantity(name, code, format);
  return recorder.record(
    'encode',
    `${format}(${argument}), ${rounding}, ${overflow}`,
    [x, ...neighbours],
    result,
    note,
  );
}

interface Decision {
  readonly code: number;
  readonly note: string;
  /** The codes on either side, where the value lies between two. */
  readonly neighbours: readonly Quantity[];
}

function decide(bits: number, exponent: number, encoding: Encoding): Decision {
  const format = formats[encoding.format];
  const magnitude = bits & 0x7fffffff;
  if (magnitude > INF_BITS)
    return { code: nanOrMax(encoding.format), note: 'NaN gives the canonical NaN code', neighbours: [] };
  const negative = format.signBits === 1 && bits >>> 31 === 1;
  const found = magnitudeCode(magnitude, exponent, negative, encoding);
  const sign = negative ? 2 ** (format.bits - 1) : 0;
  const neighbours = found.lower === undefined ? [] : betweenCodes(found.lower, sign, encoding.format);
  return { code: found.code + sign, note: found.note, neighbours };
}

function nanOrMax(name: FormatName): number {
  const { nanCode, maxCode } = formats[name];
  return nanCode >= 0 ? nanCode : maxCode;
}

function betweenCodes(lower: number, sign: number, format: FormatName): Quantity[] {
  const { maxCode } = formats[format];
  const below = quantity('below', lower + sign, format);
  return lower >= maxCode ? [below] : [below, quantity('above', lower + 1 + sign, format)];
}

interface MagnitudeDecision {
  readonly code: number;
  readonly note: string;
  readonly lower?: number;
}

function magnitudeCode(bits: number, exponent: number, negative: boolean, encoding: Encoding): MagnitudeDecision {
  const format = formats[encoding.format];
  if (bits === INF_BITS) return { code: overflowCode(encoding), note: `Inf: ${overflowWords(encoding)}` };
  // A double holds every f32 times 2^exponent exactly: |exponent| stays below 300.
  const value = numberOf(f32('', bits)) * 2 ** exponent;
  const { code: lower, low, high } = bracket(value, encoding.format);
  if (value === low && lower <= format.maxCode)
    return { code: lower, note: `${formatValue(value)} is a value of ${format.name}: exact` };
  const remainder: Remainder = { ...integerRemainder(value, low, high), lower, negative };
  const up = goesUp(remainder, encoding);
  const share = `${formatShare((value - low) / (high - low))} of the step from ${formatValue(low)} to ${formatValue(high)}`;
  const choice = roundingWords(remainder, encoding, up);
  const code = lower + (up ? 1 : 0);
  if (code <= format.maxCode) return { code, note: `${share}: ${choice}`, lower };
  const stays = cannotReachInfinity(encoding.rounding, negative);
  const end = stays ? 'the rounding stops at the largest code' : overflowWords(encoding);
  return {
    code: stays ? format.maxCode : overflowCode(encoding),
    note: `past the largest code: ${end}`,
    lower: format.maxCode,
  };
}

function overflowCode({ format: name, overflow }: Encoding): number {
  const format = formats[name];
  if (overflow === 'saturate') return format.maxCode;
  return format.infCode >= 0 ? format.infCode : nanOrMax(name);
}

function overflowWords({ overflow, format }: Encoding): string {
  if (overflow === 'saturate') return 'saturates to the largest code';
  return formats[format].infCode >= 0 ? 'becomes Inf' : 'becomes NaN';
}

/** The largest code whose value is at most x, its value and the next one; past the largest code the grid goes on by its last step. */
function bracket(x: number, name: FormatName): { code: number; low: number; high: number } {
  const { maxCode, max } = formats[name];
  const { value } = laneReader(dtypeOfFormat[name]);
  if (x >= max) {
    const step = max - value(maxCode - 1);
    return x >= max + step && x > max
      ? { code: maxCode + 1, low: max + step, high: max + 2 * step }
      : { code: maxCode, low: max, high: max + step };
  }
  let low = 0;
  let high = maxCode;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (value(middle) <= x) low = middle;
    else high = middle;
  }
  return { code: low, low: value(low), high: value(low + 1) };
}

/** What lies between the lower code and the value: `remainder` of 2^shift parts of a step, as docs/numerics.md counts them. */
interface Remainder {
  readonly remainder: number;
  readonly shift: number;
  readonly lower: number;
  readonly negative: boolean;
}

function integerRemainder(x: number, low: number, high: number): { remainder: number; shift: number } {
  // The value has a significand of 24 bits, subnormal inputs normalized.
  const unit = 2 ** (exponentOf(x) - 23);
  return { remainder: (x - low) / unit, shift: Math.round(Math.log2((high - low) / unit)) };
}

/** floor(log2 x) of a positive double, exact. */
function exponentOf(x: number): number {
  const guess = Math.floor(Math.log2(x));
  if (2 ** guess > x) return guess - 1;
  return 2 ** (guess + 1) <= x ? guess + 1 : guess;
}

function goesUp({ remainder, shift, lower, negative }: Remainder, { rounding, random = 0 }: Encoding): boolean {
  const half = 2 ** (shift - 1);
  switch (rounding) {
    case 'nearest-even':
      return remainder > half || (remainder === half && lower % 2 === 1);
    case 'nearest-away':
      return remainder >= half;
    case 'toward-zero':
      return false;
    case 'toward-positive':
      return !negative;
    case 'toward-negative':
      return negative;
    case 'to-odd':
      return lower % 2 === 0;
    case 'stochastic':
      return shift <= 24
        ? remainder + Math.floor(random / 2 ** (32 - shift)) >= 2 ** shift
        : Math.floor(random / 256) < Math.floor(remainder / 2 ** (shift - 24));
  }
}

function roundingWords(
  { remainder, shift, lower }: Remainder,
  { rounding, random = 0 }: Encoding,
  up: boolean,
): string {
  const outcome = up ? 'away from zero' : 'toward zero';
  const tie = remainder === 2 ** (shift - 1);
  if (rounding === 'nearest-even' && tie)
    return `a tie; the code below is ${lower % 2 === 0 ? 'even' : 'odd'}, so ${outcome}`;
  if (rounding === 'nearest-away' && tie) return `a tie, so ${outcome}`;
  if (rounding === 'stochastic')
    return `random word 0x${random.toString(16).toUpperCase().padStart(8, '0')}, so ${outcome}`;
  return `${rounding} goes ${outcome}`;
}

function cannotReachInfinity(rounding: Rounding, negative: boolean): boolean {
  if (rounding === 'toward-zero' || rounding === 'to-odd') return true;
  return rounding === (negative ? 'toward-positive' : 'toward-negative');
}

function formatShare(share: number): string {
  return String(Number(share.toPrecision(6)));
}
