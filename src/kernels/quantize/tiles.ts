import { type Gpu, type GpuWords, workgroupSize } from '../../backends/webgpu/gpu.ts';
import type { FormatName } from '../../numerics/formats.ts';
import type { Scheme } from '../../numerics/scheme.ts';
import { laneBytes, laneWords } from '../bands.ts';
import { type Constants, factorNumber, formatConstants, scaleRule } from '../constants.ts';
import { tierSubstitutes } from '../tiers.ts';
import type { TileGrid } from '../tiles.ts';
import { groupingOf } from './variants.ts';

/** What a kernel reads fours of values of rows from. */
export interface RowValues {
  /** Of its first buffer, words or halves. */
  readonly format: FormatName;
  readonly substitutes?: Readonly<Record<string, string>>;
  readonly constants?: Constants;
  /** f32 bits of a clamp. */
  readonly limit?: number;
  readonly buffers: readonly GpuWords[];
}

/** Codes and scales of whole tiles, on the device; the caller releases them. */
export interface QuantizedTiles {
  readonly codes: GpuWords;
  readonly stored: GpuWords;
}

/** The shader that reads fours of values of a format, in place of the one that reads words. */
export const foursOf = (format: FormatName) =>
  laneBytes(format) === 2 ? { 'kernels/four_words': 'kernels/four_halves' } : undefined;

/** Quantizes whole tiles of `rows` rows of a grid by groups of threads: quantize_tiles_fast.wgsl. */
export function quantizeTiles(
  gpu: Gpu,
  values: RowValues,
  rows: number,
  columns: number,
  grid: TileGrid,
  scheme: Scheme,
  groupMax: string,
): QuantizedTiles {
  const { span, stride, width, tileFours, tilesOfFour, held } = groupingOf(grid, workgroupSize);
  const across = Math.ceil(grid.columns / tilesOfFour);
  const groups = across * Math.ceil(rows / grid.tileRows);
  const codes = gpu.allocate(laneWords(scheme.format, rows * columns));
  const stored = gpu.allocate(groups * tilesOfFour);
  const [x, ...others] = values.buffers as [GpuWords, ...GpuWords[]];
  gpu.dispatch({
    shader: 'kernels/quantize_tiles_fast',
    entryPoint: 'quantize_tiles',
    constants: {
      ...formatConstants('INPUT', values.format),
      ...formatConstants('OUTPUT', scheme.format),
      ...values.constants,
      FACTOR: factorNumber(scheme),
      COLUMNS: tilesOfFour === 4 ? 1 : 0,
      SPAN: span,
      STRIDE: stride,
      WIDTH: width,
      HELD: held,
      SUBGROUP: gpu.limits.leastSubgroup,
    },
    substitutes: {
      ...tierSubstitutes('fast'),
      ...foursOf(values.format),
      ...values.substitutes,
      'kernels/group_max_fast': groupMax,
    },
    uniforms: [...scaleRule(scheme), rows, columns / 4, tileFours, across, grid.tileRows, values.limit ?? 0],
    buffers: [
      { buffer: x, access: 'read' },
      { buffer: codes, access: 'read_write' },
      { buffer: stored, access: 'read_write' },
      ...others.map((buffer) => ({ buffer, access: 'read' as const })),
    ],
    threads: Math.ceil(groups / stride) * span,
  });
  return { codes, stored };
}
