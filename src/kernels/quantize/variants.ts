import { type FormatName, formats } from '../../numerics/formats.ts';
import type { Scheme } from '../../numerics/scheme.ts';
import { laneBytes } from '../bands.ts';
import type { TileGrid } from '../tiles.ts';
import type { Family, SpecFields, Variant } from '../variants.ts';

/** How the fast tier quantizes. */
export interface QuantizeVariant extends Variant {
  /** How a group of threads finds the largest of its values; absent where a thread has a tile, or a dispatch each step, to itself. */
  readonly groupMax?: string;
}

/** The exact tier's way: every spec, and no barrier. */
export const byThreads: QuantizeVariant = { name: 'threads' };

/** A tile by a group of threads, whose amax goes through the workgroup's memory. */
export const byWorkgroups: QuantizeVariant = { name: 'workgroups', groupMax: 'kernels/group_max_fast' };

/** The same through registers. */
export const bySubgroups: QuantizeVariant = {
  name: 'subgroups',
  groupMax: 'kernels/group_max_subgroups_fast',
  needs: ['subgroups'],
};

type Variants = readonly [QuantizeVariant, ...QuantizeVariant[]];

const variants: Variants = [byThreads, byWorkgroups, bySubgroups];

const quantize = (scheme: string, rows: number, columns: number, input: SpecFields): SpecFields => ({
  kernel: 'quantize',
  shape: { rows, columns },
  x: { input },
  scheme,
});

const halves: SpecFields = { generate: 'normal', seed: 1, dtype: 'bf16' };
const words: SpecFields = { ...halves, dtype: 'f32' };

/** Tiles that a thread quantizes by itself, quantize_lines.wgsl. A few large values, for a power of two does not tell every amax that is too small. */
export const linesFamily: Family = {
  name: 'quantize-lines',
  variants,
  verified: [
    quantize('activation-1x128-pow2', 9, 2048, { ...halves, generate: 'outlier-channels' }),
    quantize('channel-128x1-pow2', 130, 44, { ...words, generate: 'outlier-tokens', share: 0.1 }),
  ],
  timed: [quantize('activation-1x128-pow2', 128, 2048, halves), quantize('channel-128x1-pow2', 256, 512, words)],
};

/** Other tiles, which threads quantize step by step. */
export const tilesFamily: Family = {
  name: 'quantize-tiles',
  variants,
  verified: [quantize('weight-128x128', 130, 260, words)],
  timed: [quantize('weight-128x128', 256, 1024, words)],
};

/** Both, for kernels that quantize. */
export const quantizeFamilies: readonly Family[] = [linesFamily, tilesFamily];

/** Elements of a tile that a group goes over twice; one workgroup for more would leave a GPU idle. */
const mostElements = 2 ** 18;

/** The variants that quantize tiles of a matrix of a format. */
export function fittingVariants(format: FormatName, columns: number, grid: TileGrid, scheme: Scheme): Variants {
  const { bits, specials } = formats[scheme.format];
  const small = bits <= 8 && specials !== 'scale' && specials !== 'fnuz' && laneBytes(format) >= 2;
  const nearest = scheme.rounding === 'nearest-even' && scheme.overflow === 'saturate';
  const oneLevel = scheme.scale.recipe !== 'nvfp4';
  const fours = columns % 4 === 0 && (grid.tileColumns % 4 === 0 || grid.tileColumns === 1);
  const short = grid.tileRows * grid.tileColumns <= mostElements;
  return small && nearest && oneLevel && fours && short ? variants : [byThreads];
}

/** How threads of a workgroup share tiles out. */
export interface Grouping {
  /** Blocks of `span` threads hold `stride` groups; both are powers of two. */
  readonly span: number;
  readonly stride: number;
  /** Threads of a group side by side along a row; the others are below. */
  readonly width: number;
  /** Fours of values of a tile's row. */
  readonly tileFours: number;
  /** Tiles of a four: 4 where they have one column. */
  readonly tilesOfFour: number;
  /** Fours that a thread holds from the amax to the codes; 0 where it reads them twice. */
  readonly held: number;
}

/** Fours that a thread has at least, as far as its tile has so many. */
const foursOfThread = 4;

/** More would crowd a thread's registers. */
const mostHeld = 2 * foursOfThread;

const powerBelow = (value: number): number => 2 ** Math.floor(Math.log2(Math.max(value, 1)));

/** The groups for a grid, of at most `most` threads. */
export function groupingOf({ tileRows, tileColumns }: TileGrid, most: number): Grouping {
  if (tileColumns === 1) {
    // Eight fours side by side are the least that a cache line or two hold.
    const stride = 8;
    return { span: most, stride, width: 1, tileFours: 1, tilesOfFour: 4, held: 0 };
  }
  const tileFours = tileColumns / 4;
  const span = Math.min(powerBelow((tileRows * tileFours) / foursOfThread), most);
  const fours = Math.ceil(tileFours / span);
  const held = tileRows === 1 && fours <= mostHeld ? fours : 0;
  return { span, stride: 1, width: Math.min(span, powerBelow(tileFours)), tileFours, tilesOfFour: 1, held };
}
