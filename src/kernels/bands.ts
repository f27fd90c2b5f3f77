import type { Gpu, GpuWords } from '../backends/webgpu/gpu.ts';
import { inputError } from '../errors.ts';
import { allocateLanes } from '../numerics/codec.ts';
import { type FormatName, formats } from '../numerics/formats.ts';
import type { Codes } from '../tensors/tensor.ts';
import { laneShift } from './constants.ts';
import type { TileGrid } from './tiles.ts';

/** A run of whole rows. */
export interface Band {
  readonly start: number;
  readonly rows: number;
}

/** Most bytes of a buffer even where the adapter would bind more: bounds the memory of a run and the time of a dispatch. */
const mostBytes = 2 ** 28;

/** Bytes that a lane of a format takes. */
export function laneBytes(format: FormatName): number {
  return 4 >> laneShift(format);
}

/** Words that lanes of a format take. */
export function laneWords(format: FormatName, lanes: number): number {
  return Math.ceil(lanes / 2 ** laneShift(format));
}

/**
 * Cuts rows start..end into bands whose buffers of `bytesPerRow` fit a binding; each but the last has a multiple of `multiple` rows
 * where one fits. Throws `row-too-large` where a single row does not fit.
 */
export function rowBands(gpu: Gpu, start: number, end: number, bytesPerRow: number, multiple = 1): readonly Band[] {
  const limit = Math.min(gpu.limits.maxBindingBytes, mostBytes);
  const fitting = Math.floor((limit - 4) / bytesPerRow);
  if (fitting < 1) {
    throw inputError(
      `a row takes ${bytesPerRow} bytes on the device; the adapter binds ${gpu.limits.maxBindingBytes}`,
      'row-too-large',
      'shape',
      'use fewer columns, or an adapter with a larger limit',
    );
  }
  const rows = fitting >= multiple ? fitting - (fitting % multiple) : fitting;
  const bands: Band[] = [];
  for (let at = start; at < end; at += rows) bands.push({ start: at, rows: Math.min(rows, end - at) });
  return bands;
}

/** Uploads the lanes of a band of a matrix [.., columns]. */
export function uploadBand(gpu: Gpu, codes: Codes, columns: number, band: Band): GpuWords {
  return gpu.upload(codes.subarray(band.start * columns, (band.start + band.rows) * columns));
}

/** Reads `length` lanes of a format into `target` at `offset`. */
export async function readLanes(
  gpu: Gpu,
  words: GpuWords,
  format: FormatName,
  target: Codes,
  offset: number,
  length: number,
): Promise<void> {
  const { buffer } = await gpu.read(words);
  const Lanes = allocateLanes(formats[format], 0).constructor as new (buffer: ArrayBufferLike) => Codes;
  target.set(new Lanes(buffer).subarray(0, length), offset);
}

/** The eight uniform words of a band: struct Band of shaders/kernels/tile.wgsl. `origin` is the first row that the scale buffers know. */
export function bandUniforms(band: Band, columns: number, grid: TileGrid, origin = 0): readonly number[] {
  return [
    band.rows * columns,
    band.rows,
    columns,
    band.start - origin,
    // The shader counts elements modulo 2^32, as it does everything.
    (band.start * columns) >>> 0,
    grid.tileRows,
    grid.tileColumns,
    grid.columns,
  ];
}
