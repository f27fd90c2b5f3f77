import { loadScales, type TileGrid, tileGrid } from '../../kernels/tiles.ts';
import { NAN_BITS } from '../../numerics/f32.ts';
import { philoxWord, streams } from '../../numerics/philox.ts';
import { type Factor, tensorScaleBits } from '../../numerics/scale.ts';
import type { Scheme } from '../../numerics/scheme.ts';
import type { Tensor } from '../../tensors/tensor.ts';
import { traceEncode } from './encode.ts';
import { type TracedScale, traceScale } from './scale.ts';
import { f32, type Quantity, quantity, Recorder, type TraceSection } from './steps.ts';

/** A matrix of f32 bits that is to be quantized, and how its elements came about. */
export interface Source {
  readonly rows: number;
  readonly columns: number;
  /** f32 bits, row-major. */
  readonly bits: Uint32Array;
  /** Steps that give element [row, column]. */
  describe(row: number, column: number): TraceSection;
}

/** Sections of a derivation and what they end in. */
export interface Derivation {
  readonly sections: readonly TraceSection[];
  readonly result: Quantity;
}

/** Derives elements of a spec's results; what all elements share is made once. */
export type Tracer = (tensor: string, coordinates: readonly number[]) => Derivation;

/** Derives a result of a quantization: `codes` and `scales` at coordinates, or `tensor_scale`. */
export function traceQuantized(
  source: Source,
  scheme: Scheme,
  tensor: string,
  coordinates: readonly number[],
): Derivation {
  if (tensor === 'tensor_scale') return traceTensorScale(source);
  const [row, column] = coordinates as [number, number];
  return tensor === 'scales' ? traceStoredScale(source, scheme, row, column) : traceCode(source, scheme, row, column);
}

/** Derives the code of element [row, column]. */
export function traceCode(source: Source, scheme: Scheme, row: number, column: number): Derivation {
  const grid = tileGrid(source.rows, source.columns, scheme);
  const tile = Math.floor(row / grid.tileRows) * grid.columns + Math.floor(column / grid.tileColumns);
  const scale = traceTile(source, scheme, grid, tile);
  const recorder = new Recorder();
  const index = row * source.columns + column;
  const random = scheme.rounding === 'stochastic' ? philoxWord(scheme.seed, index, streams.rounding) : 0;
  const x = f32('x', source.bits[index]!);
  const result = traceFactor(recorder, x, scale.factor, scheme, random);
  return { sections: [source.describe(row, column), ...scale.sections, recorder.section('Code')], result };
}

/** Applies a tile's factor to x and encodes the outcome. */
function traceFactor(recorder: Recorder, x: Quantity, factor: Factor, scheme: Scheme, random: number): Quantity {
  const { format, rounding, overflow } = scheme;
  const encoding = { format, rounding, overflow, random };
  switch (factor.kind) {
    case 'divide':
      return traceEncode(recorder, recorder.divide('q', x, f32('scale', factor.bits)), 0, encoding);
    case 'multiply':
      return traceEncode(recorder, recorder.multiply('q', x, f32('multiplier', factor.bits)), 0, encoding);
    case 'shift':
      return traceEncode(recorder, x, factor.exponent, encoding);
    case 'none':
      return traceEncode(recorder, x, 0, encoding);
    case 'nan':
      return traceEncode(recorder, f32('NaN', NAN_BITS), 0, encoding);
  }
}

interface TracedTile extends TracedScale {
  readonly sections: readonly TraceSection[];
}

function traceTile(source: Source, scheme: Scheme, grid: TileGrid, tile: number): TracedTile {
  const top = Math.floor(tile / grid.columns) * grid.tileRows;
  const left = (tile % grid.columns) * grid.tileColumns;
  const bottom = Math.min(top + grid.tileRows, source.rows);
  const right = Math.min(left + grid.tileColumns, source.columns);
  const sections: TraceSection[] = [];
  let tensorScale: Quantity | undefined;
  if (scheme.scale.recipe === 'nvfp4') {
    const derived = traceTensorScale(source);
    sections.push(...derived.sections);
    tensorScale = derived.result;
  }
  const recorder = new Recorder();
  const amax = traceAmax(recorder, source, top, bottom, left, right);
  const scale = traceScale(recorder, amax, scheme, tensorScale);
  const place = `rows ${top} to ${bottom - 1}, columns ${left} to ${right - 1}`;
  sections.push(
    recorder.section(
      `Scale of tile [${Math.floor(tile / grid.columns)}, ${tile % grid.columns}]`,
      `${place}; recipe ${scheme.scale.recipe}`,
    ),
  );
  return { ...scale, sections };
}

/** Finds the largest magnitude of a rectangle, and where it first stands. */
function traceAmax(
  recorder: Recorder,
  source: Source,
  top: number,
  bottom: number,
  left: number,
  right: number,
): Quantity {
  let at = top * source.columns + left;
  for (let row = top; row < bottom; row++) {
    for (let i = row * source.columns + left; i < row * source.columns + right; i++) {
      if ((source.bits[i]! & 0x7fffffff) > (source.bits[at]! & 0x7fffffff)) at = i;
    }
  }
  const row = Math.floor(at / source.columns);
  const place = `[${row}, ${at - row * source.columns}]`;
  const found = f32(`x${place}`, source.bits[at]!);
  const amax = f32('amax', source.bits[at]! & 0x7fffffff);
  return recorder.record('amax', 'max |x| of the tile', [found], amax);
}

function traceTensorScale(source: Source): Derivation {
  const recorder = new Recorder();
  const amax = traceAmax(recorder, source, 0, source.rows, 0, source.columns);
  const bits = Number(amax.code);
  const name = 'tensor scale';
  const result =
    bits === 0 || bits >= 0x7f800000
      ? recorder.record(
          'max',
          bits === 0 ? 'a tensor of zeros gives 1' : 'amax is not finite',
          [amax],
          f32(name, tensorScaleBits(bits)),
        )
      : recorder.divide(name, amax, f32('448 * 6', 0x45280000));
  return { sections: [recorder.section('Scale of the tensor')], result };
}

/** Derives an element of the stored scales in the scheme's layout; a word of packed exponents shows its tiles one after the other. */
function traceStoredScale(source: Source, scheme: Scheme, row: number, column: number): Derivation {
  const grid = tileGrid(source.rows, source.columns, scheme);
  const tiles = tilesStoredAt(grid, scheme, row, column).map((tile) => traceTile(source, scheme, grid, tile));
  const sections = tiles.flatMap((tile) => tile.sections);
  if (scheme.scale.layout !== 'packed-e8m0') {
    if (tiles[0] !== undefined) return { sections, result: tiles[0].stored };
    const padding = quantity('scale', 0, scheme.scale.type);
    return { sections: [padded(padding)], result: padding };
  }
  const word = tiles.reduce((bits, tile, i) => (bits | (Number(tile.stored.code) << (8 * i))) >>> 0, 0);
  const recorder = new Recorder();
  const result = recorder.record(
    'read',
    'four exponents in a word, the lowest k in the low byte',
    tiles.map((tile) => tile.stored),
    f32('word', word),
    tiles.length < 4 ? 'what no tile fills is zero' : undefined,
  );
  return { sections: [...sections, recorder.section('Packed word')], result };
}

function padded(padding: Quantity): TraceSection {
  const recorder = new Recorder();
  recorder.record('read', 'padding', [], padding, 'no tile lies here: padding of the layout is zero');
  return recorder.section('Padding');
}

/** Row-major numbers of the tiles that lie at [row, column] of the stored scales, in the order of their bytes. */
function tilesStoredAt(grid: TileGrid, scheme: Scheme, row: number, column: number): number[] {
  const { layout } = scheme.scale;
  if (layout === 'row-major') return [row * grid.columns + column];
  if (column >= grid.rows) return [];
  const lines = layout === 'mn-major' ? [row] : [4 * row, 4 * row + 1, 4 * row + 2, 4 * row + 3];
  return lines.filter((line) => line < grid.columns).map((line) => column * grid.columns + line);
}

/** Stored scale of the tile that element [row, column] lies in. */
export function storedScaleAt(scales: Tensor, grid: TileGrid, scheme: Scheme, row: number, column: number): number {
  return loadScales(scales, grid, scheme)[
    Math.floor(row / grid.tileRows) * grid.columns + Math.floor(column / grid.tileColumns)
  ]!;
}
