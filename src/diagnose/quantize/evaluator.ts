import { decodeBits } from '../../numerics/decode-bits.ts';
import { type FormatName, formats, type Overflow } from '../../numerics/formats.ts';
import type { ScaleType, Scheme } from '../../numerics/scheme.ts';
import { elementCount, type Tensor } from '../../tensors/tensor.ts';
import type { Convention, ResultPart } from '../convention.ts';
import type { AnyRounding } from '../encoding.ts';
import { givenRuleNames } from '../quantizers.ts';
import { parseTile, TileQuantizer } from '../tile-quantizer.ts';
import { type Layout, layoutOf, layouts, type Tiles } from './layouts.ts';
import type { Origin } from './origin.ts';

/** Somebody's codes and scales, with what their dtypes and shapes leave open. */
export interface ActualQuantized {
  /** One code a lane, in the file's order. */
  readonly codes: Tensor;
  readonly scales: Tensor;
  readonly tensorScale?: Tensor;
  readonly format: FormatName;
  readonly scaleType: ScaleType;
  readonly packed: boolean;
}

/** Axes that decide how a tile is quantized. */
const settingAxes = [
  'format',
  'tile',
  'recipe',
  'floor',
  'amax',
  'rounding',
  'overflow',
  'specials',
  'subnormals',
  'zeroSign',
  'factor',
];

/** Stands for a lane that a convention does not have: no code is so. */
const absent = 0xdeadbeef;

/** Computes lanes of codes and scales under any convention. */
export class QuantizeEvaluator {
  private readonly scheme: Scheme;
  private readonly origin: Origin;
  private readonly actual: ActualQuantized;
  private readonly parts: readonly ResultPart[];
  private readonly quantizerAxes: readonly string[];
  private readonly quantizers = new Map<string, TileQuantizer>();
  private readonly layoutNames = new Map<string, string>();

  constructor(scheme: Scheme, origin: Origin, actual: ActualQuantized, parts: readonly ResultPart[]) {
    this.scheme = scheme;
    this.origin = origin;
    this.quantizerAxes = [...Object.keys(origin.own), ...settingAxes];
    this.actual = actual;
    this.parts = parts;
  }

  /** The first layout that puts a convention's scales where its own does. */
  layoutName(convention: Convention): string {
    const key = `${convention.tile} ${convention.layout}`;
    let name = this.layoutNames.get(key);
    if (name === undefined) {
      const tiles = this.tiles(convention);
      const own = layoutOf(convention.layout!);
      const bytes = own.packed ? [0, 1, 2, 3] : [0];
      const lies = (layout: Layout): string =>
        layout.packed === own.packed && elementCount(layout.shape(tiles)) === elementCount(own.shape(tiles))
          ? Array.from({ length: elementCount(own.shape(tiles)) }, (_, lane) =>
              bytes.map((byte) => layout.tileAt(lane, byte, tiles)),
            ).join()
          : '';
      const wanted = lies(own);
      name = layouts.find((layout) => lies(layout) === wanted)!.name;
      this.layoutNames.set(key, name);
    }
    return name;
  }

  /** Whether a convention's scales fill the tensor that is there. */
  fits(convention: Convention): boolean {
    const layout = layoutOf(convention.layout!);
    const { scales, packed } = this.actual;
    return layout.packed === packed && elementCount(layout.shape(this.tiles(convention))) === scales.codes.length;
  }

  predict(convention: Convention, elements: Int32Array): Uint32Array {
    const predicted = new Uint32Array(elements.length);
    const quantizer = this.quantizer(convention);
    const fits = this.fits(convention);
    const [codes, scales] = this.parts as [ResultPart, ResultPart];
    for (let i = 0; i < elements.length; i++) {
      const element = elements[i]!;
      if (element < codes.actual.length) predicted[i] = this.code(convention, quantizer, element);
      else if (element < scales.start + scales.actual.length)
        predicted[i] = fits ? this.scale(convention, quantizer, element - scales.start) : absent;
      else predicted[i] = this.origin.grids(convention).tensorScale;
    }
    return predicted;
  }

  private tiles(convention: Convention): Tiles {
    const { rows, columns } = this.origin;
    const [tileRows, tileColumns] = parseTile(convention.tile!);
    return {
      rows,
      tileRows: tileRows || rows,
      down: Math.ceil(rows / (tileRows || rows)),
      across: Math.ceil(columns / (tileColumns || columns)),
    };
  }

  private code(convention: Convention, quantizer: TileQuantizer, stored: number): number {
    const { rows, columns } = this.origin;
    const { blank } = convention;
    const total = rows * columns;
    if (blank === 'all' || blank === 'codes') return 0;
    const place = convention.nibbles === 'high-first' ? stored ^ 1 : stored;
    if (blank === 'last-row' && place >= total - columns) return 0;
    if (blank === 'last-element' && place === total - 1) return 0;
    if (blank === 'last-word' && place >= total - (total % 4 || 4)) return 0;
    if (convention.order === 'column-major') return quantizer.code(place % rows, Math.floor(place / rows));
    return quantizer.code(Math.floor(place / columns), place % columns);
  }

  private scale(convention: Convention, quantizer: TileQuantizer, lane: number): number {
    if (convention.blank === 'all') return 0;
    const layout = layoutOf(convention.layout!);
    const tiles = this.tiles(convention);
    if (!layout.packed) return this.stored(quantizer, convention, layout.tileAt(lane, 0, tiles));
    let word = 0;
    for (let byte = 0; byte < 4; byte++)
      word |= this.stored(quantizer, convention, layout.tileAt(lane, byte, tiles)) << (8 * byte);
    return word >>> 0;
  }

  private stored(quantizer: TileQuantizer, convention: Convention, tile: number): number {
    const step = convention.stored === 'previous' ? -1 : convention.stored === 'next' ? 1 : 0;
    const last = quantizer.down * quantizer.across - 1;
    if (tile >= 0) return quantizer.outcome(Math.min(Math.max(tile + step, 0), last)).stored;
    if (convention.padding === 'zero') return 0;
    if (convention.padding === 'one') return this.actual.scaleType === 'f32' ? 0x3f800000 : 127;
    return quantizer.outcome(last).stored;
  }

  /** The scales that are there, as f32 bits by tile, where a convention's layout puts them. */
  private storedScales(convention: Convention): Uint32Array {
    const tiles = this.tiles(convention);
    const { scales, packed, scaleType } = this.actual;
    const found = new Uint32Array(tiles.down * tiles.across);
    if (!this.fits(convention)) return found;
    const layout = layoutOf(convention.layout!);
    for (let lane = 0; lane < scales.codes.length; lane++) {
      for (let byte = 0; byte < (packed ? 4 : 1); byte++) {
        const tile = layout.tileAt(lane, byte, tiles);
        const code = packed ? (scales.codes[lane]! >>> (8 * byte)) & 0xff : scales.codes[lane]!;
        if (tile >= 0) found[tile] = scaleType === 'f32' ? code : decodeBits(code, formats[scaleType]);
      }
    }
    return found;
  }

  private quantizer(convention: Convention): TileQuantizer {
    const key = this.quantizerAxes
      .map((axis) => convention[axis])
      .concat(givenRuleNames.includes(convention.recipe!) ? convention.layout! : '')
      .join(' ');
    let quantizer = this.quantizers.get(key);
    if (quantizer === undefined) {
      quantizer = new TileQuantizer(this.origin.grids(convention), {
        format: convention.format as FormatName,
        tile: parseTile(convention.tile!),
        recipe: convention.recipe!,
        floor: convention.floor!,
        amax: convention.amax!,
        scaleType: this.actual.scaleType,
        rounding: convention.rounding as AnyRounding,
        overflow: convention.overflow as Overflow,
        specials: convention.specials!,
        subnormals: convention.subnormals!,
        zeroSign: convention.zeroSign!,
        factor: convention.factor!,
        seed: this.scheme.seed,
        ...(givenRuleNames.includes(convention.recipe!) && { given: this.storedScales(convention) }),
      });
      if (this.quantizers.size > 256) this.quantizers.clear();
      this.quantizers.set(key, quantizer);
    }
    return quantizer;
  }
}
