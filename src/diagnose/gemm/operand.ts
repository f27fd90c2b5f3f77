import { operandInputs, tileFactors } from '../../kernels/dequantize/reference.ts';
import { widen } from '../../kernels/quantize/reference.ts';
import { loadScales, type TileGrid, tileGrid } from '../../kernels/tiles.ts';
import { decodeBits, encodeBits } from '../../numerics/codec.ts';
import { bitsOf, fromBits } from '../../numerics/f32.ts';
import { type FormatName, formats, type Overflow, type Rounding } from '../../numerics/formats.ts';
import type { Operand } from '../../specs/types.ts';
import type { Codes, Tensors } from '../../tensors/tensor.ts';
import type { Convention } from '../convention.ts';
import { scaleConversions } from '../quantizers.ts';
import { AmaxGrids, parseTile, TileQuantizer } from '../tile-quantizer.ts';
import { decodeTableOf } from './decode.ts';

/** Rows of one operand as a product sees them. */
export interface OperandRows {
  readonly k: number;
  /** Exact values [rows, k]. */
  readonly value: Float64Array;
  /** The exponents that products are aligned by, [rows, k]: not normalized, that of the least normal for zero and subnormals. */
  readonly exponent: Int16Array;
  /** Scales [rows, tiles]. */
  readonly factor: Float64Array;
  /** k that share a scale, and how many such tiles there are. */
  readonly tile: number;
  readonly tiles: number;
  /** Values have more than 16 significant bits. */
  readonly wide: boolean;
  /** Bits from the unit of the least value to above the largest. */
  readonly span: number;
}

/** Axes that decide the codes in memory and their scales. */
const sourceAxes = ['memory', 'format', 'tile', 'recipe', 'floor', 'amax', 'rounding', 'overflow', 'factor'];

/** Which tile's scale a kernel takes: from the tile's place among `down` x `across`. Flat places past either end stay at the end. */
export const scalePlaces: Readonly<
  Record<string, (row: number, column: number, down: number, across: number) => number>
> = {
  own: (row, column, _, across) => row * across + column,
  'next-block': (row, column, _, across) => row * across + column + 1,
  'next-block-clamped': (row, column, _, across) => row * across + Math.min(column + 1, across - 1),
  'next-block-wrapped': (row, column, _, across) => row * across + ((column + 1) % across),
  'previous-block': (row, column, _, across) => row * across + column - 1,
  'previous-block-clamped': (row, column, _, across) => row * across + Math.max(column - 1, 0),
  'first-block': (row, _, __, across) => row * across,
  'last-block': (row, _, __, across) => row * across + across - 1,
  'next-row': (row, column, down, across) => Math.min(row + 1, down - 1) * across + column,
  'next-row-wrapped': (row, column, down, across) => ((row + 1) % down) * across + column,
  'previous-row': (row, column, _, across) => Math.max(row - 1, 0) * across + column,
  'first-row': (_, column) => column,
  'quad-row': (row, column, _, across) => (row - (row % 4)) * across + column,
  transposed: (row, column, down) => column * down + row,
};

interface Source {
  readonly format: FormatName;
  readonly tile: readonly [rows: number, columns: number];
  readonly down: number;
  readonly across: number;
  /** Codes of a row. */
  row(row: number): Codes;
  factor(tile: number): number;
}

/** One operand of a gemm: its inputs, and its rows under any convention. */
export class OperandReader {
  readonly rows: number;
  readonly k: number;
  /** High-precision input, absent where the inputs hold codes. */
  readonly grids: AmaxGrids | undefined;
  private readonly isWide: boolean = false;
  private transposedGrids: AmaxGrids | undefined;
  private readonly operand: Operand;
  private readonly name: string;
  private readonly given: { codes: Codes; factors: Float32Array; grid: TileGrid } | undefined;
  private readonly sources = new Map<string, Source>();
  private readonly sourceAxes: readonly string[];

  constructor(name: string, operand: Operand, inputs: Tensors, rows: number, k: number) {
    this.name = name;
    this.sourceAxes = sourceAxes.map((axis) => `${name}.${axis}`);
    this.operand = operand;
    this.rows = rows;
    this.k = k;
    const found = operandInputs(name, operand, inputs, rows, k);
    if ('x' in found) {
      this.grids = new AmaxGrids(widen(found.x), rows, k);
      this.isWide = found.x.dtype === 'F32';
    } else {
      const grid = tileGrid(rows, k, operand.scheme);
      loadScales(found.quantized.scales, grid, operand.scheme);
      const factors = new Float32Array(tileFactors(found.quantized, operand.scheme).buffer);
      this.given = { codes: found.quantized.codes.codes, factors, grid };
    }
  }

  /** Tiles down and across, where tiles are of a size; of the codes that are given where the inputs hold codes. */
  tilesOf([tileRows, tileColumns]: readonly [number, number]): { readonly down: number; readonly across: number } {
    if (this.given !== undefined) return { down: this.given.grid.rows, across: this.given.grid.columns };
    const [down, across] = [tileRows || this.rows, tileColumns || this.k];
    return { down: Math.ceil(this.rows / down), across: Math.ceil(this.k / across) };
  }

  /** The axes of a convention that concern this operand, as a key. */
  key(convention: Convention): string {
    return `${this.codesKey(convention)}${convention[`${this.name}.scale`]}`;
  }

  /** The same without what changes scales alone, where the product reads codes. */
  codesKey(convention: Convention): string {
    const form = convention[`${this.name}.form`];
    const scale = form === 'quantized' ? '' : convention[`${this.name}.scale`];
    return `${this.sourceKey(convention)}${form} ${convention[`${this.name}.decode`]} ${scale} `;
  }

  /** What the codes in memory depend on. */
  private sourceKey(convention: Convention): string {
    let key = '';
    for (const axis of this.sourceAxes) key += `${convention[axis]} `;
    return key;
  }

  /** Rows `wanted` under a convention; their scales may be taken from elsewhere: see {@link scaled}. */
  read(convention: Convention, wanted: Int32Array): OperandRows {
    const of = (axis: string): string => convention[`${this.name}.${axis}`] as string;
    const form = of('form');
    if (form === 'unquantized' && this.grids !== undefined) return this.unquantized(of('memory'), wanted);
    const source = this.source(convention, of);
    const table = decodeTableOf(source.format, of('decode'));
    const { across, tile } = source;
    const { k } = this;
    const value = new Float64Array(wanted.length * k);
    const exponent = new Int16Array(wanted.length * k);
    const flip = of('memory') === 'codes-transposed';
    for (let i = 0; i < wanted.length; i++) {
      const row = wanted[i]!;
      const codes = flip ? this.column(source, row) : source.row(row);
      for (let at = 0; at < k; at++) {
        const code = codes[at]!;
        value[i * k + at] = table.value[code]!;
        exponent[i * k + at] = table.exponent[code]!;
      }
    }
    const factor = this.factors(source, wanted, of('scale'));
    const rows: OperandRows = {
      k,
      value,
      exponent,
      factor,
      tile: tile[1],
      tiles: across,
      wide: false,
      span: spanOf(source.format),
    };
    return form === 'quantized' ? rows : dequantized(rows, form);
  }

  /** Rows as {@link read} gave them, with the scales of a lender: this operand, or the one whose scales it takes. */
  scaled(convention: Convention, wanted: Int32Array, rows: OperandRows, lender: OperandReader): OperandRows {
    const of = (axis: string): string => convention[`${this.name}.${axis}`] as string;
    if (of('form') !== 'quantized') return rows;
    return { ...rows, ...lender.scalesOf(convention, wanted, of('scale')) };
  }

  private scalesOf(
    convention: Convention,
    wanted: Int32Array,
    scale: string,
  ): Pick<OperandRows, 'factor' | 'tile' | 'tiles'> {
    const source = this.source(convention, (axis) => convention[`${this.name}.${axis}`] as string);
    return { factor: this.factors(source, wanted, scale), tile: source.tile[1], tiles: source.across };
  }

  /** Codes of a row of the array read as [k, rows]. */
  private column(source: Source, row: number): Codes {
    const codes = new Uint16Array(this.k);
    for (let at = 0; at < this.k; at++) {
      const flat = at * this.rows + row;
      codes[at] = source.row(Math.floor(flat / this.k))[flat % this.k]!;
    }
    return codes;
  }

  private factors(source: Source, wanted: Int32Array, scale: string): Float64Array {
    const place = scalePlaces[scale] ?? scalePlaces.own!;
    const { down, across, tile } = source;
    const factor = new Float64Array(wanted.length * across);
    for (let i = 0; i < wanted.length; i++) {
      const line = Math.min(Math.floor(wanted[i]! / tile[0]), down - 1);
      for (let column = 0; column < across; column++) {
        const flat = Math.min(Math.max(place(line, column, down, across), 0), down * across - 1);
        factor[i * across + column] = scaleValue(source.factor(flat), scale);
      }
    }
    return factor;
  }

  private unquantized(memory: string, wanted: Int32Array): OperandRows {
    const { bits } = this.grids as AmaxGrids;
    const { k } = this;
    const value = new Float64Array(wanted.length * k);
    for (let i = 0; i < wanted.length; i++) {
      for (let at = 0; at < k; at++) {
        const flat = memory === 'own' ? wanted[i]! * k + at : at * this.rows + wanted[i]!;
        value[i * k + at] = fromBits(bits[flat]!);
      }
    }
    return withoutScales(value, k, this.isWide);
  }

  private source(convention: Convention, of: (axis: string) => string): Source {
    const key = this.sourceKey(convention);
    let source = this.sources.get(key);
    if (source === undefined) {
      source = this.given === undefined ? this.quantized(of) : this.asGiven();
      if (this.sources.size > 64) this.sources.clear();
      this.sources.set(key, source);
    }
    return source;
  }

  private asGiven(): Source {
    const { codes, factors, grid } = this.given!;
    return {
      format: this.operand.scheme.format,
      tile: [grid.tileRows, grid.tileColumns],
      down: grid.rows,
      across: grid.columns,
      row: (row) => codes.subarray(row * this.k, (row + 1) * this.k) as Codes,
      factor: (tile) => factors[tile]!,
    };
  }

  private quantized(of: (axis: string) => string): Source {
    const { scheme } = this.operand;
    const format = of('format') as FormatName;
    const recipe = of('recipe');
    const quantizer = new TileQuantizer(of('memory') === 'input-transposed' ? this.transposed() : this.grids!, {
      format,
      tile: parseTile(of('tile')),
      recipe,
      floor: of('floor'),
      amax: of('amax'),
      scaleType: recipe === 'nvfp4' ? 'e4m3' : 'f32',
      rounding: of('rounding') as Rounding,
      overflow: of('overflow') as Overflow,
      specials: 'kept',
      subnormals: 'kept',
      zeroSign: 'kept',
      factor: of('factor'),
      seed: scheme.seed,
    });
    // A row is quantized once, whoever asks: codes are kept.
    const kept = new Map<number, Codes>();
    const row = (at: number): Codes => {
      let codes = kept.get(at);
      if (codes === undefined) {
        codes = quantizer.row(at);
        kept.set(at, codes);
      }
      return codes;
    };
    return {
      format,
      tile: quantizer.tile,
      down: quantizer.down,
      across: quantizer.across,
      row,
      factor: (tile) => quantizer.scale(tile),
    };
  }

  /** The input read as [k, rows]. */
  private transposed(): AmaxGrids {
    if (this.transposedGrids === undefined) {
      const { bits } = this.grids as AmaxGrids;
      const { rows, k } = this;
      const moved = new Uint32Array(bits.length);
      for (let row = 0; row < rows; row++) for (let at = 0; at < k; at++) moved[row * k + at] = bits[at * rows + row]!;
      this.transposedGrids = new AmaxGrids(moved, rows, k);
    }
    return this.transposedGrids;
  }
}

const spanOf = (name: FormatName): number => Math.ceil(Math.log2(formats[name].max / formats[name].minSubnormal));

function scaleValue(scale: number, rule: string): number {
  if (rule === 'one') return 1;
  if (rule === 'inverse') return Math.fround(1 / scale);
  if (rule === 'squared') return Math.fround(scale * scale);
  const convert = scaleConversions[rule];
  return convert === undefined ? scale : fromBits(convert(bitsOf(scale)));
}

/** fl(code * scale), rounded to the form that the product reads. */
function dequantized(rows: OperandRows, form: string): OperandRows {
  const { k, value, factor, tile, tiles } = rows;
  const made = new Float64Array(value.length);
  const narrow = narrowing(form);
  const scaleAt = (i: number): number => factor[Math.floor(i / k) * tiles + Math.floor((i % k) / tile)]!;
  for (let i = 0; i < value.length; i++) made[i] = narrow(Math.fround(value[i]! * scaleAt(i)));
  const plain = withoutScales(made, k, form === 'f32' || form === 'scaled');
  if (form !== 'scaled') return plain;
  // A block-scaled instruction adds the exponents of scales to those of codes, which it does not normalize.
  const exponent = rows.exponent.map((own, i) => own + ((bitsOf(scaleAt(i)) >>> 23) & 0xff) - 127);
  return { ...plain, exponent };
}

function narrowing(form: string): (x: number) => number {
  if (form === 'f32' || form === 'scaled') return (x) => x;
  if (form === 'tf32') return (x) => fromBits((bitsOf(x) & 0xffffe000) >>> 0);
  const format = formats[form as 'bf16' | 'f16'];
  return (x) => fromBits(decodeBits(encodeBits(bitsOf(x), format, 'nearest-even', 'ieee'), format));
}

function withoutScales(value: Float64Array, k: number, wide: boolean): OperandRows {
  const exponent = new Int16Array(value.length);
  for (let i = 0; i < value.length; i++) exponent[i] = Math.max((bitsOf(value[i]!) >>> 23) & 0xff, 1) - 127;
  return {
    k,
    value,
    exponent,
    factor: new Float64Array(value.length / k).fill(1),
    tile: k,
    tiles: 1,
    wide,
    span: 1024,
  };
}
