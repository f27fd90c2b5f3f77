import { inputError } from '../../errors.ts';
import { decodeBits } from '../../numerics/codec.ts';
import { type FormatName, formats } from '../../numerics/formats.ts';
import { philoxWord } from '../../numerics/philox.ts';
import { quantizeBits, tensorScaleBits, tileScale } from '../../numerics/scale.ts';
import type { Scheme } from '../../numerics/scheme.ts';
import { allocateCodes, type Codes, dtypeOfFormat, type Tensor, type Tensors } from '../../tensors/tensor.ts';
import { storeScales, type TileGrid, tileGrid } from '../tiles.ts';

/** A matrix as codes with its scales; `tensorScale` [1] F32 only for nvfp4. */
export interface Quantized {
  readonly codes: Tensor;
  readonly scales: Tensor;
  readonly tensorScale?: Tensor;
}

/** Philox stream of stochastic rounding. */
export const roundingStream = 1;

/** A quantized matrix under the contract's result names. */
export function quantizedTensors({ codes, scales, tensorScale }: Quantized): Tensors {
  return tensorScale === undefined ? { codes, scales } : { codes, scales, tensor_scale: tensorScale };
}

/** The format of a tensor's elements; refuses dtypes that are no numbers of a format. */
export function formatOfTensor(x: Tensor): FormatName {
  const format = (Object.keys(dtypeOfFormat) as FormatName[]).find((name) => dtypeOfFormat[name] === x.dtype);
  if (format !== undefined) return format;
  throw inputError(
    `a tensor of dtype ${x.dtype} cannot be read as numbers`,
    'wrong-dtype',
    'input tensor',
    'give F32, BF16, F16 or an FP8, FP6 or FP4 dtype',
  );
}

/** f32 bits of every element of a high-precision tensor (F32, BF16, F16). */
export function widen(x: Tensor): Uint32Array {
  const format = formats[formatOfTensor(x)];
  if (format.name === 'f32') return x.codes as Uint32Array;
  const bits = new Uint32Array(x.codes.length);
  for (let i = 0; i < bits.length; i++) bits[i] = decodeBits(x.codes[i]!, format);
  return bits;
}

/** A tensor as shaders/numerics/wide.wgsl reads it: itself if it is F32, BF16 or F16, else the same values as F32. */
export function wideTensor(x: Tensor): Tensor {
  const wide = x.dtype === 'F32' || x.dtype === 'BF16' || x.dtype === 'F16';
  return wide ? x : { dtype: 'F32', shape: x.shape, codes: widen(x) };
}

/** Quantizes x [rows, columns] by a scheme: docs/numerics.md, "Quantization". */
export function quantizeReference(x: Tensor, scheme: Scheme): Quantized {
  const [rows, columns] = x.shape as [number, number];
  return quantizeWords(widen(x), rows, columns, scheme);
}

/** The same on f32 bits. */
export function quantizeWords(bits: Uint32Array, rows: number, columns: number, scheme: Scheme): Quantized {
  const grid = tileGrid(rows, columns, scheme);
  const nvfp4 = scheme.scale.recipe === 'nvfp4';
  const tensorScale = nvfp4 ? tensorScaleBits(largestMagnitude(bits)) : undefined;
  const dtype = dtypeOfFormat[scheme.format];
  const codes = allocateCodes(dtype, bits.length);
  const scales = allocateCodes(dtypeOfFormat[scheme.scale.type], grid.rows * grid.columns);
  for (let tile = 0; tile < scales.length; tile++) {
    scales[tile] = quantizeTile(bits, codes, tileBounds(grid, tile, rows, columns), columns, scheme, tensorScale);
  }
  const quantized = { codes: { dtype, shape: [rows, columns], codes }, scales: storeScales(scales, grid, scheme) };
  if (tensorScale === undefined) return quantized;
  return { ...quantized, tensorScale: { dtype: 'F32', shape: [1], codes: Uint32Array.of(tensorScale) } };
}

interface Bounds {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

function tileBounds(grid: TileGrid, tile: number, rows: number, columns: number): Bounds {
  const top = Math.floor(tile / grid.columns) * grid.tileRows;
  const left = (tile % grid.columns) * grid.tileColumns;
  return {
    top,
    left,
    bottom: Math.min(top + grid.tileRows, rows),
    right: Math.min(left + grid.tileColumns, columns),
  };
}

/** Fills one tile's codes and returns its stored scale. */
function quantizeTile(
  bits: Uint32Array,
  codes: Codes,
  { top, bottom, left, right }: Bounds,
  columns: number,
  scheme: Scheme,
  tensorScale: number | undefined,
): number {
  let amax = 0;
  for (let row = top; row < bottom; row++) {
    for (let i = row * columns + left; i < row * columns + right; i++) amax = Math.max(amax, bits[i]! & 0x7fffffff);
  }
  const { stored, factor } = tileScale(amax, scheme, tensorScale);
  const format = formats[scheme.format];
  const stochastic = scheme.rounding === 'stochastic';
  for (let row = top; row < bottom; row++) {
    for (let i = row * columns + left; i < row * columns + right; i++) {
      const random = stochastic ? philoxWord(scheme.seed, i, roundingStream) : 0;
      codes[i] = quantizeBits(bits[i]!, factor, format, scheme.rounding, scheme.overflow, random);
    }
  }
  return stored;
}

function largestMagnitude(bits: Uint32Array): number {
  let amax = 0;
  for (const word of bits) amax = Math.max(amax, word & 0x7fffffff);
  return amax;
}
