import { encoder } from '../numerics/codec.ts';
import { bitsOf, fromBits } from '../numerics/f32.ts';
import { type FormatName, formats, type Overflow } from '../numerics/formats.ts';
import { philoxWord, streams } from '../numerics/philox.ts';
import { type Factor, tensorScaleBits } from '../numerics/scale.ts';
import type { ScaleType, Scheme } from '../numerics/scheme.ts';
import type { Codes } from '../tensors/tensor.ts';
import { type AnyRounding, codeOf } from './encoding.ts';
import { floorAmax, quantizerRule, type TileOutcome } from './quantizers.ts';

/** How a matrix is quantized, with the slips that a kernel may make. */
export interface QuantizerSettings {
  readonly format: FormatName;
  /** Rows and columns of a tile; 0 for the whole extent. */
  readonly tile: readonly [number, number];
  /** Name of a {@link quantizerRule}. */
  readonly recipe: string;
  /** `1e-4`, or `+1e-4` where it is added. */
  readonly floor: string;
  /** One of {@link amaxRules}. */
  readonly amax: string;
  readonly scaleType: ScaleType;
  readonly rounding: AnyRounding;
  readonly overflow: Overflow;
  /** `ignored`: NaN and Inf do not mark their tile. */
  readonly specials: string;
  readonly subnormals: string;
  readonly zeroSign: string;
  /** `own`, or `next`: codes are made with the factor of the tile after. */
  readonly factor: string;
  readonly seed: number;
  /** f32 bits of each tile's scale, where a rule takes them as they are. */
  readonly given?: Uint32Array;
}

/** What is taken for a tile's largest magnitude. */
export const amaxRules = {
  magnitude: 'the largest magnitude of the tile',
  signed: 'the largest value, sign included',
  pattern: 'the largest bit pattern, sign bit included',
  short: 'the last column of each tile left out',
  'short-rows': 'the last row of each tile left out',
  previous: 'the amax of the tile before',
  next: 'the amax of the tile after',
} as const;

/** Tiles that published kernels have; of tiles that come to the same these are named first. */
export const usualTiles: ReadonlySet<string> = new Set([
  '1x128',
  '128x128',
  '128x1',
  '1x64',
  '1x32',
  '1x16',
  '1x0',
  '0x0',
]);

/** A `rows` x `columns` text as a tile. `0` means the whole extent. */
export function parseTile(text: string): [number, number] {
  const [rows, columns] = text.split('x').map(Number);
  return [rows!, columns!];
}

/** Largest magnitudes of all tiles of a matrix, by tile and rule, made once for each. */
export class AmaxGrids {
  readonly bits: Uint32Array;
  /** The same as numbers. */
  readonly values: Float32Array;
  readonly rows: number;
  readonly columns: number;
  private readonly grids = new Map<string, Uint32Array>();
  private tensorAmax: number | undefined;

  constructor(bits: Uint32Array, rows: number, columns: number) {
    this.bits = bits;
    this.values = new Float32Array(bits.buffer, bits.byteOffset, bits.length);
    this.rows = rows;
    this.columns = columns;
  }

  /** f32 bits of the nvfp4 tensor scale. */
  get tensorScale(): number {
    if (this.tensorAmax === undefined) {
      let amax = 0;
      for (const word of this.bits) amax = Math.max(amax, word & 0x7fffffff);
      this.tensorAmax = amax;
    }
    return tensorScaleBits(this.tensorAmax);
  }

  /** amax (f32 bits) of every tile, row-major over the tiles. */
  grid(tile: readonly [number, number], rule: string): Uint32Array {
    const key = `${tile.join('x')} ${rule}`;
    let grid = this.grids.get(key);
    if (grid === undefined) {
      grid = rule === 'previous' || rule === 'next' ? this.moved(tile, rule) : this.reduced(tile, rule);
      this.grids.set(key, grid);
    }
    return grid;
  }

  private moved(tile: readonly [number, number], rule: 'previous' | 'next'): Uint32Array {
    const own = this.grid(tile, 'magnitude');
    return own.map((_, i) => own[rule === 'previous' ? i - 1 : i + 1] ?? 0);
  }

  private reduced(tile: readonly [number, number], rule: string): Uint32Array {
    const [tileRows, tileColumns] = tile;
    const { bits, rows, columns } = this;
    const whole = tileColumns % cell === 0 || tileColumns >= columns;
    if (rule === 'magnitude' && whole && !(tileRows === 1 && tileColumns === cell)) return this.joined(tile);
    const across = Math.ceil(columns / tileColumns);
    const grid = new Uint32Array(Math.ceil(rows / tileRows) * across);
    const measure = rule === 'signed' ? positivePart : rule === 'pattern' ? pattern : magnitude;
    for (let row = 0; row < rows; row++) {
      const first = Math.floor(row / tileRows) * across;
      if (rule === 'short-rows' && (row % tileRows === tileRows - 1 || row === rows - 1)) continue;
      for (let column = 0; column < columns; column++) {
        const last = column % tileColumns === tileColumns - 1 || column === columns - 1;
        if (rule === 'short' && last) continue;
        const tile = first + Math.floor(column / tileColumns);
        const word = measure(bits[row * columns + column]!);
        if (word > grid[tile]!) grid[tile] = word;
      }
    }
    return grid;
  }

  /** Tiles that are made of whole cells. */
  private joined([tileRows, tileColumns]: readonly [number, number]): Uint32Array {
    const { rows, columns } = this;
    const cells = this.grid([1, cell], 'magnitude');
    const wide = Math.ceil(columns / cell);
    const across = Math.ceil(columns / tileColumns);
    const grid = new Uint32Array(Math.ceil(rows / tileRows) * across);
    for (let row = 0; row < rows; row++) {
      const first = Math.floor(row / tileRows) * across;
      for (let i = 0; i < wide; i++) {
        const tile = first + Math.floor((i * cell) / tileColumns);
        const word = cells[row * wide + i]!;
        if (word > grid[tile]!) grid[tile] = word;
      }
    }
    return grid;
  }
}

/** Columns of the cells of one row that larger tiles are made of: every value is looked at once for all of them. */
const cell = 16;

/** An amax of Inf or NaN as ordinary arithmetic would go on with it: the largest f32 below. */
const unmarked = (amax: number): number => Math.min(amax, 0x7f7fffff);

const magnitude = (bits: number): number => bits & 0x7fffffff;
const pattern = (bits: number): number => bits;
const positivePart = (bits: number): number => (bits >>> 31 === 1 ? 0 : bits);

/** What values are multiplied or divided by. */
function amountOf(factor: Factor): number {
  if (factor.kind === 'shift') return 2 ** factor.exponent;
  return factor.kind === 'divide' || factor.kind === 'multiply' ? fromBits(factor.bits) : 1;
}

/** Quantizes elements of a matrix one at a time: only what is asked for is made. */
export class TileQuantizer {
  readonly across: number;
  readonly down: number;
  readonly tile: readonly [number, number];
  private readonly grids: AmaxGrids;
  private readonly settings: QuantizerSettings;
  private readonly scheme: Scheme;
  private readonly outcomes: (TileOutcome | undefined)[] = [];
  private readonly tensorScale: number | undefined;

  constructor(grids: AmaxGrids, settings: QuantizerSettings) {
    const { rows, columns } = grids;
    this.grids = grids;
    this.settings = settings;
    this.tile = [settings.tile[0] || rows, settings.tile[1] || columns];
    this.down = Math.ceil(rows / this.tile[0]);
    this.across = Math.ceil(columns / this.tile[1]);
    this.tensorScale = settings.recipe === 'nvfp4' ? grids.tensorScale : undefined;
    this.scheme = {
      format: settings.format,
      tile: settings.tile,
      scale: { type: settings.scaleType, recipe: 'divide', amaxFloor: 0, layout: 'row-major' },
      rounding: 'nearest-even',
      overflow: settings.overflow,
      seed: settings.seed,
    };
  }

  /** The outcome of a tile, by its row-major place. */
  outcome(tile: number): TileOutcome {
    let outcome = this.outcomes[tile];
    if (outcome === undefined) {
      const grid = this.settings.given ?? this.grids.grid(this.tile, this.settings.amax);
      const raw = grid[tile] ?? 0;
      const known = this.settings.specials === 'ignored' ? unmarked(raw) : raw;
      const { amax, floor } = floorAmax(known, this.settings.floor);
      const scheme = { ...this.scheme, scale: { ...this.scheme.scale, amaxFloor: floor } };
      outcome = quantizerRule(this.settings.recipe).outcome(amax, scheme, this.tensorScale);
      this.outcomes[tile] = outcome;
    }
    return outcome;
  }

  /** The tile that an element lies in. */
  tileOf(row: number, column: number): number {
    return Math.floor(row / this.tile[0]) * this.across + Math.floor(column / this.tile[1]);
  }

  /** The code of an element. */
  code(row: number, column: number): number {
    const { settings } = this;
    const i = row * this.grids.columns + column;
    const tile = this.tileOf(row, column) + (settings.factor === 'next' ? 1 : 0);
    const outcome = this.outcome(Math.min(tile, this.down * this.across - 1));
    const random = settings.rounding === 'stochastic' ? philoxWord(settings.seed, i, streams.rounding) : 0;
    return codeOf(this.grids.bits[i]!, outcome, formats[settings.format], settings, random);
  }

  /** The codes of a row. */
  row(row: number): Codes {
    const { columns } = this.grids;
    const codes = formats[this.settings.format].bits > 8 ? new Uint16Array(columns) : new Uint8Array(columns);
    for (let first = 0; first < columns; first += this.tile[1]) {
      const last = Math.min(first + this.tile[1], columns);
      if (this.fillPlainly(codes, row, first, last)) continue;
      for (let column = first; column < last; column++) codes[column] = this.code(row, column);
    }
    return codes;
  }

  /** Codes of a tile's row by one product or quotient and a table, where a rule is no more than that; false where it is. */
  private fillPlainly(codes: Codes, row: number, first: number, last: number): boolean {
    const { rounding, overflow, factor: whose, subnormals, zeroSign } = this.settings;
    if (rounding === 'stochastic' || whose !== 'own' || subnormals !== 'kept' || zeroSign !== 'kept') return false;
    const { factor, through } = this.outcome(this.tileOf(row, first));
    if (through !== undefined || factor.kind === 'nan' || rounding === 'nearest-down') return false;
    if (formats[this.settings.format].specials === 'fnuz') return false;
    const encode = encoder(formats[this.settings.format], rounding, overflow);
    const at = row * this.grids.columns;
    const { values } = this.grids;
    const by = amountOf(factor);
    for (let column = first; column < last; column++) {
      const x = values[at + column]!;
      const scaled = Math.fround(factor.kind === 'divide' ? x / by : x * by);
      // A shift rounds once, in the format; past the range of f32 it is not this product.
      if (factor.kind === 'shift' && Math.abs(scaled) !== Math.abs(x * by)) return false;
      codes[column] = encode(bitsOf(scaled));
    }
    return true;
  }

  /** The value that a tile's scale dequantizes with. */
  scale(tile: number): number {
    return fromBits(this.outcome(tile).dequant);
  }
}
