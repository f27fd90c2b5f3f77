import type { FormatName, Overflow, Rounding } from './formats.ts';

/** How a tile's scale is computed from its amax and applied; docs/numerics.md has the exact operations of each. WGSL knows them by their place. */
export const scaleRecipes = [
  'divide',
  'reciprocal',
  'inverse',
  'deepep',
  'v32',
  'te',
  'torchao',
  'pow2',
  'mx-floor',
  'mx-ceil',
  'mx-even',
  'mx-rceil',
  'nvfp4',
  'unit',
] as const;

export type ScaleRecipe = (typeof scaleRecipes)[number];

/** Type a scale is stored in. */
export type ScaleType = 'f32' | 'e8m0' | 'e4m3';

/**
 * How stored scales lie in memory. `row-major`: [tile rows, tile columns]. `mn-major`: DeepGEMM's SM90 operand, column after column,
 * rows padded to a multiple of 4. `packed-e8m0`: DeepGEMM's SM100 operand, four exponents an i32 along columns, mn-major.
 */
export type ScaleLayout = 'row-major' | 'mn-major' | 'packed-e8m0';

/** The scale part of a {@link Scheme}. */
export interface ScaleScheme {
  readonly type: ScaleType;
  readonly recipe: ScaleRecipe;
  /** The amax of a tile is at least this (a maximum, not an addition). 0 for none. */
  readonly amaxFloor: number;
  readonly layout: ScaleLayout;
}

/** How a matrix [rows, columns] is quantized. The stored scale dequantizes: x = code * scale. */
export interface Scheme {
  readonly format: FormatName;
  /** Rows and columns that share a scale; 0 means the whole extent. Tiles at a ragged edge are cut. */
  readonly tile: readonly [rows: number, columns: number];
  readonly scale: ScaleScheme;
  readonly rounding: Rounding;
  readonly overflow: Overflow;
  /** Philox key of stochastic rounding; unused by the other modes. */
  readonly seed: number;
}
