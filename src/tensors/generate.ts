import { inputError } from '../errors.ts';
import { encodeLanes } from '../numerics/codec.ts';
import { type Format, type FormatName, formats } from '../numerics/formats.ts';
import { philoxWord, philoxWords, streams } from '../numerics/philox.ts';
import { generateIntegers, type IntegerInput } from './generate-integers.ts';
import { allocateCodes, type Codes, dtypeOfFormat, elementCount, type Tensor } from './tensor.ts';

/** Generators of numbers; all of integers only, so that they give the same bits everywhere. See docs/numerics.md. */
export type GeneratorName =
  | 'uniform'
  | 'positive'
  | 'normal'
  | 'outlier-channels'
  | 'outlier-tokens'
  | 'near-ties'
  | 'bits'
  | 'zero'
  | 'saturating'
  | 'subnormal';

/** A generated input: element i depends on the seed and i alone. */
export interface GeneratedInput {
  readonly generate: GeneratorName;
  /** Philox key, an unsigned 32-bit integer. */
  readonly seed: number;
  /** Format of the values: bf16, f16 or f32; any code format for raw codes (`bits` and `zero`). */
  readonly dtype: FormatName;
  /** Values are multiplied by 2^exponent (exact unless it leaves the format's range). */
  readonly exponent: number;
  /** Share of outlier channels or tokens, 0..1. */
  readonly share: number;
  /** Outliers are multiplied by 2^factorExponent. */
  readonly factorExponent: number;
}

/** Elements made at a time: small enough for the scratch to stay in cache. */
const CHUNK = 1 << 14;

/** Writes the values of elements first, first + 1, ... as f32. */
type ValueMaker = (first: number, values: Float32Array) => void;

/** Turns a Philox word into a code. */
type CodeMaker = (word: number) => number;

/**
 * The tensor a generated input stands for: element i (row-major) depends on the seed and i alone, and for the outlier generators on its row
 * and column; see docs/numerics.md, "Inputs". The last extent counts as columns, the rest as rows. Throws for a dtype the generator does not give.
 */
export function generate(input: GeneratedInput | IntegerInput, shape: readonly number[]): Tensor {
  if (input.dtype === 'i32') return generateIntegers(input, shape);
  return { dtype: dtypeOfFormat[input.dtype], shape, codes: generateElements(input, shape, 0, elementCount(shape)) };
}

/** Rows firstRow to firstRow + rowCount - 1 of {@link generate}'s tensor, as [rowCount, columns]: the same codes, whatever the bands. */
export function generateRows(
  input: GeneratedInput,
  shape: readonly number[],
  firstRow: number,
  rowCount: number,
): Tensor {
  const columns = columnsOf(shape);
  const codes = generateElements(input, shape, firstRow * columns, rowCount * columns);
  return { dtype: dtypeOfFormat[input.dtype], shape: [rowCount, columns], codes };
}

function columnsOf(shape: readonly number[]): number {
  return shape.at(-1) ?? 1;
}

function generateElements(input: GeneratedInput, shape: readonly number[], first: number, count: number): Codes {
  assertDType(input);
  const codes = allocateCodes(dtypeOfFormat[input.dtype], count);
  if (input.generate === 'zero') return codes;
  const makeCode = codeMaker(input);
  if (makeCode !== undefined) fillCodes(input.seed, makeCode, first, codes);
  else fillValues(valueMaker(input, columnsOf(shape)), formats[input.dtype], first, codes);
  return codes;
}

function assertDType(input: GeneratedInput): void {
  const { generate, dtype } = input;
  if (generate === 'bits' || generate === 'zero' || dtype === 'bf16' || dtype === 'f16' || dtype === 'f32') return;
  throw inputError(
    `the generator ${generate} does not give ${dtype}`,
    'unsupported-dtype',
    'dtype',
    'use bf16, f16 or f32, or the generator bits or zero',
  );
}

function fillValues(make: ValueMaker, format: Format, first: number, codes: Codes): void {
  const values = new Float32Array(Math.min(CHUNK, codes.length));
  for (let at = 0; at < codes.length; at += CHUNK) {
    const part = values.subarray(0, Math.min(CHUNK, codes.length - at));
    make(first + at, part);
    const bits = new Uint32Array(part.buffer, 0, part.length);
    codes.set(encodeLanes(bits, format, 'nearest-even', 'saturate'), at);
  }
}

function fillCodes(seed: number, make: CodeMaker, first: number, codes: Codes): void {
  const words = new Uint32Array(Math.min(CHUNK, codes.length));
  for (let at = 0; at < codes.length; at += CHUNK) {
    const part = words.subarray(0, Math.min(CHUNK, codes.length - at));
    philoxWords(seed, streams.values, first + at, part);
    for (let i = 0; i < part.length; i++) codes[at + i] = make(part[i]!);
  }
}

/** Generators that cut a code from the word and ignore `exponent`; undefined for those of values. */
function codeMaker(input: GeneratedInput): CodeMaker | undefined {
  const { bits, mantissaBits } = formats[input.dtype];
  const signTo = bits - 1;
  switch (input.generate) {
    case 'bits':
      return (word) => word >>> (32 - bits);
    case 'saturating':
      return saturatingCode(input);
    case 'subnormal':
      return (word) => (((word >>> 31) << signTo) | (word & (2 ** mantissaBits - 1))) >>> 0;
    default:
      return undefined;
  }
}

/** Sign from bit 31, one of the two largest finite exponents from bit 30, mantissa from the low bits. */
function saturatingCode(input: GeneratedInput): CodeMaker {
  const f32 = (word: number): number =>
    ((word & 0x80000000) | ((253 + ((word >>> 30) & 1)) << 23) | (word & 0x7fffff)) >>> 0;
  switch (input.dtype) {
    case 'bf16':
      return (word) => f32(word) >>> 16;
    case 'f16':
      return (word) => ((word >>> 31) << 15) | ((29 + ((word >>> 30) & 1)) << 10) | (word & 0x3ff);
    default:
      return f32;
  }
}

function valueMaker(input: GeneratedInput, columns: number): ValueMaker {
  const scale = powerOfTwo(input.exponent);
  switch (input.generate) {
    case 'uniform':
      return scaled(scale, (first, values) => uniformValues(input.seed, first, values));
    case 'positive':
      return scaled(scale, (first, values) => positiveValues(input.seed, first, values));
    case 'near-ties':
      return scaled(scale, (first, values) => nearTies(input.seed, first, values));
    case 'outlier-channels':
      return outlierChannels(input, columns);
    case 'outlier-tokens':
      return outlierTokens(input, columns);
    default:
      return scaled(scale, (first, values) => normalValues(input.seed, first, values));
  }
}

/** 2^exponent, held inside what a double multiplies exactly; past 400 every value is zero or Inf as an f32 anyway. */
function powerOfTwo(exponent: number): number {
  return 2 ** Math.min(Math.max(exponent, -400), 400);
}

/** The unscaled values times a power of two, rounded once: they are exact before. */
function scaled(scale: number, make: ValueMaker): ValueMaker {
  if (scale === 1) return make;
  return (first, values) => {
    make(first, values);
    for (let i = 0; i < values.length; i++) values[i]! *= scale;
  };
}

function wordsOf(seed: number, stream: number, first: number, count: number): Uint32Array {
  const words = new Uint32Array(count);
  philoxWords(seed, stream, first, words);
  return words;
}

function uniformValues(seed: number, first: number, values: Float32Array): void {
  const words = wordsOf(seed, streams.values, first, values.length);
  for (let i = 0; i < words.length; i++) values[i] = ((words[i]! >>> 8) - 2 ** 23) * 2 ** -23;
}

function positiveValues(seed: number, first: number, values: Float32Array): void {
  const words = wordsOf(seed, streams.values, first, values.length);
  for (let i = 0; i < words.length; i++) values[i] = (words[i]! >>> 8) * 2 ** -24;
}

/** 32 levels an eighth apart, some of the values 2^-22 beside theirs. */
function nearTies(seed: number, first: number, values: Float32Array): void {
  const words = wordsOf(seed, streams.values, first, values.length);
  for (let i = 0; i < words.length; i++) {
    const level = (words[i]! >>> 27) - 16;
    const beside = ((words[i]! & 3) % 3) - ((words[i]! & 3) === 3 ? 0 : 1);
    values[i] = (level * 2 ** 19 + beside) * 2 ** -22;
  }
}

const normalStreams = [streams.values, streams.normal2, streams.normal3, streams.normal4];

/** Sums of eight 16-bit uniforms; the store to f32 is the one rounding of the integer. */
function normalValues(seed: number, first: number, values: Float32Array): void {
  const sums = new Uint32Array(values.length);
  for (const stream of normalStreams) {
    const words = wordsOf(seed, stream, first, values.length);
    for (let i = 0; i < words.length; i++) sums[i]! += (words[i]! & 0xffff) + (words[i]! >>> 16);
  }
  for (let i = 0; i < sums.length; i++) values[i] = (sums[i]! - 4 * 65536 + 4) * 1254 * 2 ** -26;
}

/** The scale of a channel or token: both exponents go into one multiplication. */
function outlierScale(input: GeneratedInput, line: number): number {
  const isOutlier = philoxWord(input.seed, line, streams.outliers) < input.share * 2 ** 32;
  return powerOfTwo(input.exponent + (isOutlier ? input.factorExponent : 0));
}

function outlierChannels(input: GeneratedInput, columns: number): ValueMaker {
  const scales = Float64Array.from({ length: columns }, (_, column) => outlierScale(input, column));
  return (first, values) => {
    normalValues(input.seed, first, values);
    let column = first % columns;
    for (let i = 0; i < values.length; i++) {
      values[i]! *= scales[column]!;
      if (++column === columns) column = 0;
    }
  };
}

function outlierTokens(input: GeneratedInput, columns: number): ValueMaker {
  return (first, values) => {
    normalValues(input.seed, first, values);
    for (let at = 0; at < values.length; ) {
      const row = Math.floor((first + at) / columns);
      const end = Math.min((row + 1) * columns - first, values.length);
      const scale = outlierScale(input, row);
      for (; at < end; at++) values[at]! *= scale;
    }
  };
}
