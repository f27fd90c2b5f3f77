import { encodeTable } from '../numerics/codec.ts';
import { decodeTable } from '../numerics/decode-bits.ts';
import { encodeBits } from '../numerics/encode-bits.ts';
import { fromBits, NAN_BITS } from '../numerics/f32.ts';
import { formats } from '../numerics/formats.ts';
import { type Factor, type TileScale, tileScale } from '../numerics/scale.ts';
import type { Scheme } from '../numerics/scheme.ts';
import { type Codes, dtypeOfFormat, type Tensor } from '../tensors/tensor.ts';
import type { Bounds, Tiling } from './slices.ts';

/** dtypes the fast path reads. */
export type WideDType = 'F32' | 'F16' | 'BF16';

/** Codes of a slice, one a lane, and the stored scales of the tiles it touches, both row-major. */
export interface QuantizedSlice {
  readonly codes: Uint8Array;
  readonly scales: Codes;
  /** Elements of tiles that hold NaN or Inf, or whose tensor does: their codes and scales are NaN. */
  readonly lost: number;
}

/**
 * Whether {@link quantizeSlice} computes a scheme: codes of at most 8 bits with at most 3 mantissa bits, nearest even, saturating. Under these the f32 that a
 * value is scaled to decides the code even where it underflowed, so plain f32 arithmetic gives the reference's bytes.
 */
export function isFast(scheme: Scheme): boolean {
  const { bits, mantissaBits, specials } = formats[scheme.format];
  const small = bits <= 8 && mantissaBits <= 3 && specials !== 'scale' && specials !== 'fnuz';
  return small && scheme.rounding === 'nearest-even' && scheme.overflow === 'saturate';
}

/** f32 bits of the values of a file's bytes; `words` has an element a value. */
export function widenBytes(bytes: Uint8Array, dtype: WideDType, words: Uint32Array): void {
  if (dtype === 'F32') {
    new Uint8Array(words.buffer, words.byteOffset, words.byteLength).set(bytes);
    return;
  }
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, words.length);
  if (dtype === 'BF16') {
    for (let i = 0; i < words.length; i++) words[i] = halves[i]! << 16;
    return;
  }
  const table = decodeTable(formats.f16);
  for (let i = 0; i < words.length; i++) words[i] = table[halves[i]!]!;
}

/** amax (f32 bits) of each tile's part in a slice, row-major over the tiles it touches. `words` are the slice's values, row-major. */
export function sliceAmax(words: Uint32Array, slice: Bounds, tiling: Tiling): Uint32Array {
  const amax: number[] = [];
  forEachTile(slice, tiling, (part) => amax.push(partAmax(words, part, slice.right - slice.left)));
  return Uint32Array.from(amax);
}

/**
 * Quantizes a slice of a matrix. `words`, its values as f32 bits, row-major, are overwritten. `amax` gives the touched tiles' amax where the slice does
 * not hold whole tiles; `tensorScale` is nvfp4's second level (f32 bits). The bytes are those of the reference quantizer.
 */
export function quantizeSlice(
  words: Uint32Array,
  slice: Bounds,
  tiling: Tiling,
  scheme: Scheme,
  amax?: Uint32Array,
  tensorScale?: number,
): QuantizedSlice {
  const width = slice.right - slice.left;
  const table = encodeTable(formats[scheme.format], 'nearest-even', 'saturate');
  const values = new Float32Array(words.buffer, words.byteOffset, words.length);
  const codes = new Uint8Array(words.length);
  const scales: number[] = [];
  let lost = 0;
  const scaleOf = cachedScales(scheme, tensorScale);
  forEachTile(slice, tiling, (part) => {
    const { stored, factor } = scaleOf(amax?.[scales.length] ?? partAmax(words, part, width));
    scales.push(stored);
    if (factor.kind === 'nan') {
      lost += (part.bottom - part.top) * (part.right - part.left);
      return fillPart(codes, part, width, encodeNan(scheme));
    }
    applyFactor(values, part, width, factor);
    encodePart(words, codes, part, width, table);
  });
  return { codes, scales: scheme.scale.type === 'f32' ? Uint32Array.from(scales) : Uint8Array.from(scales), lost };
}

/** A whole matrix in memory, as the reference quantizer takes and gives it (row-major scales). */
export function quantizeFast(x: Tensor, scheme: Scheme, tiling: Tiling, tensorScale?: number): QuantizedSlice {
  const [rows, columns] = x.shape as [number, number];
  const words = new Uint32Array(x.codes.length);
  widenBytes(new Uint8Array(x.codes.buffer, x.codes.byteOffset, x.codes.byteLength), x.dtype as WideDType, words);
  return quantizeSlice(
    words,
    { top: 0, bottom: rows, left: 0, right: columns },
    tiling,
    scheme,
    undefined,
    tensorScale,
  );
}

/** Dtype of a scheme's codes. */
export const codesDType = (scheme: Scheme) => dtypeOfFormat[scheme.format];

/** Calls `visit` with the part of each tile that lies in the slice, in the slice's own coordinates, row-major over the tiles. */
function forEachTile(slice: Bounds, { tileRows, tileColumns }: Tiling, visit: (part: Bounds) => void): void {
  const { top, bottom, left, right } = slice;
  for (let row = Math.floor(top / tileRows) * tileRows; row < bottom; row += tileRows) {
    for (let column = Math.floor(left / tileColumns) * tileColumns; column < right; column += tileColumns) {
      visit({
        top: Math.max(row, top) - top,
        bottom: Math.min(row + tileRows, bottom) - top,
        left: Math.max(column, left) - left,
        right: Math.min(column + tileColumns, right) - left,
      });
    }
  }
}

function partAmax(words: Uint32Array, { top, bottom, left, right }: Bounds, width: number): number {
  let amax = 0;
  for (let row = top; row < bottom; row++) {
    const end = row * width + right;
    for (let i = row * width + left; i < end; i++) {
      const magnitude = words[i]! & 0x7fffffff;
      if (magnitude > amax) amax = magnitude;
    }
  }
  return amax;
}

/** tileScale, remembered for amax values that came from 16-bit floats: there are few of them and many tiles. */
function cachedScales(scheme: Scheme, tensorScale?: number): (amax: number) => TileScale {
  const known = new Map<number, TileScale>();
  return (amax) => {
    let scale = known.get(amax);
    if (scale === undefined) {
      scale = tileScale(amax, scheme, tensorScale);
      if ((amax & 0x1fff) === 0) known.set(amax, scale);
    }
    return scale;
  };
}

/** The storing into a Float32Array is the one rounding: a product or quotient of two f32 in f64 rounds to the correctly rounded f32. */
function applyFactor(values: Float32Array, { top, bottom, left, right }: Bounds, width: number, factor: Factor): void {
  if (!('bits' in factor) && !('exponent' in factor)) return;
  const operand = 'bits' in factor ? fromBits(factor.bits) : 2 ** factor.exponent;
  for (let row = top; row < bottom; row++) {
    const end = row * width + right;
    if (factor.kind === 'divide') for (let i = row * width + left; i < end; i++) values[i] = values[i]! / operand;
    else for (let i = row * width + left; i < end; i++) values[i] = values[i]! * operand;
  }
}

/** The index is `tableIndex` of numerics/codec.ts without its branch. */
function encodePart(words: Uint32Array, codes: Uint8Array, part: Bounds, width: number, table: Uint8Array): void {
  for (let row = part.top; row < part.bottom; row++) {
    const end = row * width + part.right;
    for (let i = row * width + part.left; i < end; i++) {
      const word = words[i]!;
      codes[i] = table[((word >>> 19) << 1) | (((word & 0x7ffff) + 0x7ffff) >>> 19)]!;
    }
  }
}

function fillPart(codes: Uint8Array, part: Bounds, width: number, code: number): void {
  for (let row = part.top; row < part.bottom; row++)
    codes.fill(code, row * width + part.left, row * width + part.right);
}

function encodeNan(scheme: Scheme): number {
  return encodeBits(NAN_BITS, formats[scheme.format], scheme.rounding, scheme.overflow);
}
