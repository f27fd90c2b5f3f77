import { dequantizeWords } from '../kernels/dequantize/reference.ts';
import { type Quantized, quantizeWords } from '../kernels/quantize/reference.ts';
import { tileGrid } from '../kernels/tiles.ts';
import { fromBits } from '../numerics/f32.ts';
import { formats } from '../numerics/formats.ts';
import type { Scheme } from '../numerics/scheme.ts';
import { dtypeBits, dtypeOfFormat } from '../tensors/tensor.ts';
import { ErrorSums } from './error-sums.ts';
import type { StudyMatrix } from './matrix.ts';

/** A matrix of f32 values by their bits. */
export type Words = Pick<StudyMatrix, 'rows' | 'columns' | 'words'>;

/** Values of f32 bits, without a copy. */
export function valuesOf(words: Uint32Array): Float32Array {
  return new Float32Array(words.buffer, words.byteOffset, words.length);
}

/** A quantized matrix and what it dequantizes to. */
export interface RoundTrip {
  readonly quantized: Quantized;
  /** f32 bits of fl(code * scale). */
  readonly words: Uint32Array;
}

/** Quantizes a matrix by a scheme and dequantizes it again, with the reference's arithmetic. */
export function roundTrip({ rows, columns, words }: Words, scheme: Scheme): RoundTrip {
  const quantized = quantizeWords(words, rows, columns, scheme);
  return { quantized, words: dequantizeWords(quantized, scheme) };
}

/** What quantizing did to values. */
export interface Fidelity {
  readonly errors: ErrorSums;
  /** Median of |error| / |x| over the elements that are not zero: what becomes of the ordinary element; 0 where all are zero. */
  readonly medianRelative: number;
  /** Share of elements that are not zero and became zero. */
  readonly underflowed: number;
}

/** Compares values with what they became. */
export function fidelity(before: Float32Array, after: ArrayLike<number>): Fidelity {
  const errors = new ErrorSums();
  const relative = new Float32Array(before.length);
  let nonzero = 0;
  let underflowed = 0;
  for (let i = 0; i < before.length; i++) {
    const x = before[i]!;
    const y = after[i]!;
    errors.add(x, y);
    if (x === 0) continue;
    if (y === 0) underflowed++;
    relative[nonzero++] = Math.abs((y - x) / x);
  }
  const sorted = relative.subarray(0, nonzero).sort();
  return {
    errors,
    medianRelative: nonzero === 0 ? 0 : sorted[nonzero >> 1]!,
    underflowed: underflowed / Math.max(before.length, 1),
  };
}

/** Share of elements whose scaled value was more than half a step past the largest code, and was cut to it. */
export function saturatedShare(
  { words: before }: Words,
  { quantized, words: after }: RoundTrip,
  scheme: Scheme,
): number {
  const format = formats[scheme.format];
  const magnitudeMask = 2 ** (format.bits - 1) - 1;
  // Half a step above the largest value, in units of that value.
  const step = 2 ** (Math.floor(Math.log2(format.max)) - format.mantissaBits);
  const limit = 1 + step / 2 / format.max;
  let saturated = 0;
  for (let i = 0; i < before.length; i++) {
    if ((quantized.codes.codes[i]! & magnitudeMask) !== format.maxCode) continue;
    if (Math.abs(fromBits(before[i]!)) > limit * Math.abs(fromBits(after[i]!))) saturated++;
  }
  return saturated / Math.max(before.length, 1);
}

/** Bits an element takes with its share of the scales. */
export function bitsPerElement({ rows, columns }: Words, scheme: Scheme): number {
  const grid = tileGrid(rows, columns, scheme);
  const scales = grid.rows * grid.columns * dtypeBits[dtypeOfFormat[scheme.scale.type]];
  const second = scheme.scale.recipe === 'nvfp4' ? 32 : 0;
  return formats[scheme.format].bits + (scales + second) / (rows * columns);
}
