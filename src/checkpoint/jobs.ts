import { quantizeWords } from '../kernels/quantize/reference.ts';
import { type FormatName, formats } from '../numerics/formats.ts';
import { quantizeBits, tileScale } from '../numerics/scale.ts';
import type { Scheme } from '../numerics/scheme.ts';
import { packCodes, unpackCodes } from '../tensors/packing.ts';
import type { Codes } from '../tensors/tensor.ts';
import { type Place, type Region, readBytes, readSlice, writeBytes, writeSlice } from './disk.ts';
import { dequantizeSlice, scaleFactors, scaleFormat, type TensorScale } from './fast-dequantize.ts';
import { quantizeSlice, sliceAmax, type WideDType, widenBytes } from './fast-quantize.ts';
import { measureSlice, type SliceMeasure } from './measure.ts';
import { type Bounds, type Tiling, tilesOf } from './slices.ts';

/** A slice to be quantized into `codes` and `scales`; `verify` compares with what stands there instead of writing. */
export interface QuantizeJob {
  readonly kind: 'quantize' | 'verify';
  readonly source: Region;
  readonly slice: Bounds;
  readonly tiling: Tiling;
  readonly scheme: Scheme;
  readonly codes: Region;
  readonly scales: Region;
  /** amax of the touched tiles, where the slice does not hold them whole. */
  readonly amax?: Uint32Array;
  readonly tensorScale?: number;
}

/** The amax of each tile's part in a slice. */
export interface AmaxJob {
  readonly kind: 'amax';
  readonly source: Region;
  readonly slice: Bounds;
  readonly tiling: Tiling;
}

/** A slice of codes to be written as bf16. `codes.dtype` says how they are packed, `format` what they mean. */
export interface DequantizeJob {
  readonly kind: 'dequantize';
  readonly codes: Region;
  readonly format: FormatName;
  readonly slice: Bounds;
  readonly tiling: Tiling;
  readonly scales: Region;
  readonly tensorScale?: TensorScale;
  readonly output: Region;
}

/** Bytes to be copied. */
export interface CopyJob {
  readonly kind: 'copy';
  readonly from: Place;
  readonly length: number;
  readonly to: Place;
}

/** What schemes would do to a slice. */
export interface MeasureJob {
  readonly kind: 'measure';
  readonly source: Region;
  readonly slice: Bounds;
  readonly schemes: readonly Scheme[];
  readonly tensorAmax: number;
}

/** One piece of work for a worker: everything it needs fits a message, for the data lies in files. */
export type Job = QuantizeJob | AmaxJob | DequantizeJob | CopyJob | MeasureJob;

/** Bytes that differ from the reference. */
export interface VerifyResult {
  readonly codes: number;
  readonly scales: number;
}

/** What each kind of job gives back. */
export interface JobResults {
  /** Elements that came out as NaN, with the tile that holds a NaN or Inf. */
  readonly quantize: number;
  readonly verify: VerifyResult;
  readonly amax: Uint32Array;
  readonly dequantize: undefined;
  readonly copy: undefined;
  readonly measure: SliceMeasure;
}

/** Does a job in this thread. */
export function runJob<J extends Job>(job: J): JobResults[J['kind']];
export function runJob(job: Job): JobResults[Job['kind']] {
  switch (job.kind) {
    case 'quantize':
      return quantize(job);
    case 'verify':
      return verify(job);
    case 'amax':
      return sliceAmax(readWords(job.source, job.slice), job.slice, job.tiling);
    case 'dequantize':
      return dequantize(job);
    case 'copy':
      return writeBytes(job.to, readBytes(job.from, job.length)) as undefined;
    case 'measure':
      return measureSlice(readWords(job.source, job.slice), job.slice, job.source, job.schemes, job.tensorAmax);
  }
}

const area = ({ top, bottom, left, right }: Bounds): number => (bottom - top) * (right - left);

/** f32 bits of a slice of F32, F16 or BF16 values. */
function readWords(source: Region, slice: Bounds): Uint32Array {
  const words = new Uint32Array(area(slice));
  widenBytes(readSlice(source, slice), source.dtype as WideDType, words);
  return words;
}

function quantize({ source, slice, tiling, scheme, codes, scales, amax, tensorScale }: QuantizeJob): number {
  const quantized = quantizeSlice(readWords(source, slice), slice, tiling, scheme, amax, tensorScale);
  writeSlice(codes, slice, packCodes(quantized.codes, codes.dtype));
  writeSlice(scales, tilesOf(slice, tiling), packCodes(quantized.scales, scales.dtype));
  return quantized.lost;
}

/** Recomputes a slice with the reference quantizer and counts what differs from the file. */
function verify({ source, slice, tiling, scheme, codes, scales, amax, tensorScale }: QuantizeJob): VerifyResult {
  const words = readWords(source, slice);
  const tiles = tilesOf(slice, tiling);
  const wanted =
    amax === undefined && tensorScale === undefined
      ? referenceSlice(words, slice, scheme)
      : givenScales(words, slice, tiling, scheme, amax, tensorScale);
  const written = unpackCodes(readSlice(codes, slice), codes.dtype, area(slice));
  const stored = unpackCodes(readSlice(scales, tiles), scales.dtype, area(tiles));
  return { codes: differences(wanted.codes, written), scales: differences(wanted.scales, stored) };
}

function referenceSlice(words: Uint32Array, { top, bottom, left, right }: Bounds, scheme: Scheme) {
  const { codes, scales } = quantizeWords(words, bottom - top, right - left, scheme);
  return { codes: codes.codes, scales: scales.codes };
}

/** With the tile amax or the tensor scale known from the whole tensor: the reference's own steps, an element at a time. */
function givenScales(
  words: Uint32Array,
  slice: Bounds,
  tiling: Tiling,
  scheme: Scheme,
  amax: Uint32Array | undefined,
  tensorScale: number | undefined,
): { codes: Codes; scales: Codes } {
  const parts = amax ?? sliceAmax(words, slice, tiling);
  const stored = Array.from(parts, (each) => tileScale(each, scheme, tensorScale));
  const tiles = tilesOf(slice, tiling);
  const width = slice.right - slice.left;
  const across = tiles.right - tiles.left;
  const codes = Uint8Array.from(words, (word, i) => {
    const row = Math.floor((slice.top + Math.floor(i / width)) / tiling.tileRows) - tiles.top;
    const column = Math.floor((slice.left + (i % width)) / tiling.tileColumns) - tiles.left;
    return quantizeBits(
      word,
      stored[row * across + column]!.factor,
      formats[scheme.format],
      scheme.rounding,
      scheme.overflow,
    );
  });
  return { codes, scales: Uint32Array.from(stored, (each) => each.stored) };
}

function differences(a: Codes, b: Codes): number {
  let count = Math.abs(a.length - b.length);
  for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) count++;
  return count;
}

function dequantize({ codes, format, slice, tiling, scales, tensorScale, output }: DequantizeJob): undefined {
  const tiles = tilesOf(slice, tiling);
  const stored = unpackCodes(readSlice(scales, tiles), scales.dtype, area(tiles));
  const factors = scaleFactors(stored, scaleFormat(scales.dtype, scales.file), tensorScale);
  const lanes = unpackCodes(readSlice(codes, slice), codes.dtype, area(slice));
  writeSlice(output, slice, packCodes(dequantizeSlice(lanes, format, factors, slice, tiling), 'BF16'));
  return undefined;
}
