import type { TileGrid } from '../../../kernels/tiles.ts';
import type { Scheme } from '../../../numerics/scheme.ts';
import type { GeneratedInput } from '../../../tensors/generate.ts';
import type { Codes, Tensor } from '../../../tensors/tensor.ts';
import type { Levels } from '../../ui/levels.ts';

/** Where the matrix comes from: a generator, or a tensor that was read from a file. */
export type MatrixSource =
  | { readonly kind: 'generated'; readonly input: GeneratedInput; readonly rows: number; readonly columns: number }
  | { readonly kind: 'tensor'; readonly tensor: Tensor };

/** A matrix and the presets that quantize it. */
export interface QuantizeRequest {
  readonly source: MatrixSource;
  readonly schemes: readonly string[];
}

/** Counts of values by the power of two of their scaled magnitude: what the format has room for. */
export interface ScaledHistogram {
  /** Exponent of the first bucket; bucket i holds magnitudes in [2^(first + i), 2^(first + i + 1)). */
  readonly first: number;
  readonly counts: readonly number[];
  /** Exponents between which the format has normal codes, and the least with any. */
  readonly leastExponent: number;
  readonly normalExponent: number;
  readonly largestExponent: number;
}

/** What the landscape can show: a field of levels, at most 96 a side. */
export interface Surface {
  readonly rows: number;
  readonly columns: number;
  readonly levels: Levels;
}

/** What the height of the landscape stands for. */
export type SurfaceKind = 'magnitude' | 'scale' | 'error';

/** The pictures of a matrix under a scheme, as levels: worked out beside the page, so that it only has to draw them. */
export interface Pictures {
  /** Of each element, |x|; its least level stands for 2^-octaves of the largest. */
  readonly magnitude: Levels;
  readonly octaves: number;
  readonly largest: number;
  /** Of each element, what was lost, on one scale for all schemes of a request. */
  readonly error: Levels;
  /** Of each tile, row-major over the grid. */
  readonly scale: Levels;
  readonly surfaces: Readonly<Record<SurfaceKind, Surface>>;
}

/** A matrix under one scheme. */
export interface QuantizeView {
  readonly preset: string;
  readonly scheme: Scheme;
  readonly rows: number;
  readonly columns: number;
  /** The matrix as it was given. */
  readonly tensor: Tensor;
  readonly values: Float32Array;
  readonly codes: Codes;
  readonly grid: TileGrid;
  /** What each tile's codes are multiplied with, row-major over the grid. */
  readonly factors: Float32Array;
  /** Dequantized values. */
  readonly back: Float32Array;
  /** 10 log10 of signal over noise energy, of what is finite before and after; Infinity where nothing was lost, NaN where nothing is left. */
  readonly sqnr: number;
  /** The same of each column alone, and of these the median: large columns cannot hide what became of the rest. */
  readonly medianSqnr: number;
  /** Shares of elements at the largest code though they lie beyond it, and of nonzero elements whose code is zero. */
  readonly saturated: number;
  readonly underflowed: number;
  /** Share of elements that are no finite number before or after: no error can be told of them. */
  readonly notFinite: number;
  readonly bitsPerValue: number;
  readonly histogram: ScaledHistogram;
  readonly pictures: Pictures;
}

/** Number of the tile that element i lies in. */
export function tileOf({ columns, grid }: Pick<QuantizeView, 'columns' | 'grid'>, i: number): number {
  const row = Math.floor(i / columns);
  return Math.floor(row / grid.tileRows) * grid.columns + Math.floor((i - row * columns) / grid.tileColumns);
}
