import { inputError } from '../errors.ts';
import { decodeTable } from '../numerics/decode-bits.ts';
import { divF32, fromBits, mulF32 } from '../numerics/f32.ts';
import { type FormatName, formats } from '../numerics/formats.ts';
import type { Codes, DType } from '../tensors/tensor.ts';
import { type Bounds, type Tiling, tilesOf } from './slices.ts';

/** Second-level scale of a whole tensor: f32 bits, and whether tile scales are multiplied or divided by it. */
export interface TensorScale {
  readonly bits: number;
  readonly how: 'multiply' | 'divide';
}

const scaleFormats: Partial<Record<DType, FormatName>> = {
  F32: 'f32',
  F16: 'f16',
  BF16: 'bf16',
  F8_E8M0: 'e8m0',
  F8_E4M3: 'e4m3',
};

/** Format of a scale's dtype. U8 scales are e8m0 bytes, as gpt-oss has them. */
export function scaleFormat(dtype: DType, where: string): FormatName {
  const format = dtype === 'U8' ? 'e8m0' : scaleFormats[dtype];
  if (format !== undefined) return format;
  throw inputError(`scales of dtype ${dtype} are not read`, 'unsupported-dtype', where, 'convert the scales to F32');
}

/** Dequantizing factors (f32 values) of stored scales. */
export function scaleFactors(scales: Codes, format: FormatName, tensorScale?: TensorScale): Float32Array {
  const factors = new Float32Array(scales.length);
  const table = format === 'f32' ? undefined : decodeTable(formats[format]);
  for (let i = 0; i < scales.length; i++) factors[i] = fromBits(table === undefined ? scales[i]! : table[scales[i]!]!);
  if (tensorScale === undefined) return factors;
  const global = fromBits(tensorScale.bits);
  const apply = tensorScale.how === 'multiply' ? mulF32 : divF32;
  return factors.map((factor) => apply(factor, global));
}

/**
 * fl(code * scale) of a slice, rounded to bf16 (docs/numerics.md, "Dequantization"). `codes` are one a lane, `factors` those of the tiles the slice
 * touches, both row-major.
 */
export function dequantizeSlice(
  codes: Codes,
  format: FormatName,
  factors: Float32Array,
  slice: Bounds,
  tiling: Tiling,
): Uint16Array {
  const values = new Float32Array(codes.length);
  const table = new Float32Array(decodeTable(formats[format]).slice().buffer);
  const width = slice.right - slice.left;
  const tiles = tilesOf(slice, tiling);
  const across = tiles.right - tiles.left;
  for (let row = slice.top; row < slice.bottom; row++) {
    const line = (Math.floor(row / tiling.tileRows) - tiles.top) * across;
    for (let tile = 0; tile < across; tile++) {
      const first = Math.max((tiles.left + tile) * tiling.tileColumns, slice.left) - slice.left;
      const end = Math.min((tiles.left + tile + 1) * tiling.tileColumns, slice.right) - slice.left;
      const at = (row - slice.top) * width;
      const factor = factors[line + tile]!;
      for (let i = at + first; i < at + end; i++) values[i] = table[codes[i]!]! * factor;
    }
  }
  return roundToBf16(new Uint32Array(values.buffer));
}

/** Nearest even; past the largest finite value Inf; NaN is 0x7FFF. */
function roundToBf16(words: Uint32Array): Uint16Array {
  const halves = new Uint16Array(words.length);
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    halves[i] = (word & 0x7fffffff) > 0x7f800000 ? 0x7fff : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return halves;
}
