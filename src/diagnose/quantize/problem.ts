import { type FormatName, formats, type Overflow, type Rounding, roundings } from '../../numerics/formats.ts';
import type { ScaleType, Scheme } from '../../numerics/scheme.ts';
import { elementCount, type Tensor } from '../../tensors/tensor.ts';
import { along, type Convention, type Deviation, type Move, type Problem, type ResultPart } from '../convention.ts';
import { quantizerRule, rulesFor } from '../quantizers.ts';
import { distanceOf, widthOf } from '../score.ts';
import { type AmaxGrids, amaxRules, parseTile, TileQuantizer } from '../tile-quantizer.ts';
import { describeQuantize } from './describe.ts';
import { type Layout, layoutOf, layouts, type Tiles } from './layouts.ts';

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

const tileNames = [
  '1x128',
  '128x128',
  '128x1',
  '1x64',
  '64x64',
  '64x1',
  '1x32',
  '32x1',
  '32x32',
  '1x16',
  '16x1',
  '16x16',
  '1x256',
  '256x256',
  '1x0',
  '0x1',
  '0x0',
];
const floors = [
  '0',
  '1e-12',
  '1e-10',
  '1e-8',
  '0.000001',
  '0.00001',
  '0.0001',
  '0.001',
  '+1e-4',
  '+1e-6',
  '+1e-8',
  '+1e-12',
];
const confirmElements = 2 ** 20;
const firstElements = 640;
/** Stands for a lane that a convention does not have: no code is so. */
const absent = 0xdeadbeef;

/** What a quantization says on every axis. */
export function quantizeConvention(scheme: Scheme): Convention {
  return {
    source: 'own',
    format: scheme.format,
    tile: scheme.tile.join('x'),
    recipe: scheme.scale.recipe,
    floor: String(scheme.scale.amaxFloor),
    amax: 'magnitude',
    rounding: scheme.rounding,
    overflow: scheme.overflow,
    specials: 'kept',
    subnormals: 'kept',
    zeroSign: 'kept',
    factor: 'own',
    order: 'row-major',
    nibbles: 'low-first',
    layout: scheme.scale.layout,
    padding: 'zero',
    blank: 'nothing',
  };
}

/** A quantization with somebody's codes and scales, ready to be searched. `sources` are the matrices that may have been quantized, `own` first. */
export function quantizeProblem(
  scheme: Scheme,
  sources: Readonly<Record<string, AmaxGrids>>,
  actual: ActualQuantized,
): Problem {
  const base = quantizeConvention(scheme);
  const parts = partsOf(actual);
  const count = parts.at(-1)!.start + parts.at(-1)!.actual.length;
  const evaluator = new QuantizeEvaluator(scheme, sources, actual, parts);
  const fits = (move: Move): boolean => evaluator.fits({ ...base, ...move });
  const forced: Move = { format: actual.format };
  const shapes = tileNames
    .concat(base.tile!)
    .flatMap((tile) => layouts.map(({ name }): Move => ({ tile, layout: name, ...forced })))
    .filter(fits);
  const start = fits({ ...forced }) ? [forced] : [];
  return {
    spec: base,
    starts: [...start, ...shapes],
    tiers: [groupsOf(scheme, sources, actual, shapes)],
    parts,
    count,
    sets: [chosen(parts, 24), chosen(parts, 80), chosen(parts, 240), chosen(parts, firstElements)],
    confirmed: chosen(parts, confirmElements),
    canonical: (convention) => canonical(base, convention, (made) => evaluator.layoutName(made)),
    predict: (convention, elements) => evaluator.predict(convention, elements),
    describe: (convention) => describeQuantize(base, convention),
  };
}

function partsOf({ codes, scales, tensorScale }: ActualQuantized): ResultPart[] {
  const part = (name: string, tensor: Tensor, start: number): ResultPart => ({
    name,
    start,
    shape: tensor.shape,
    actual: tensor.codes,
    distance: distanceOf(tensor.dtype),
    bits: widthOf(tensor.dtype),
  });
  const parts = [part('codes', codes, 0), part('scales', scales, codes.codes.length)];
  const start = codes.codes.length + scales.codes.length;
  return tensorScale === undefined ? parts : [...parts, part('tensor_scale', tensorScale, start)];
}

/** Up to `wanted` elements, scales and codes by halves, spread over each part. */
function chosen(parts: readonly ResultPart[], wanted: number): Int32Array {
  return Int32Array.from(
    parts.flatMap(({ start, actual }) => {
      const count = Math.min(actual.length, Math.ceil(wanted / 2));
      return Array.from(
        { length: count },
        (_, i) => start + Math.floor(((i + (count < actual.length ? (i * 0.618034) % 1 : 0)) * actual.length) / count),
      );
    }),
  );
}

function groupsOf(
  scheme: Scheme,
  sources: Readonly<Record<string, AmaxGrids>>,
  actual: ActualQuantized,
  shapes: readonly Move[],
): Move[][] {
  const rules = rulesFor(actual.scaleType, actual.format);
  const narrow = formats[actual.format].bits === 4;
  return [
    shapes.slice(),
    rules.flatMap(({ name, floor }): Move[] => [{ recipe: name, floor: String(floor) }, { recipe: name }]),
    [
      ...along('order', ['row-major', 'column-major']),
      ...(narrow ? along('nibbles', ['low-first', 'high-first']) : []),
    ],
    along('rounding', scheme.rounding === 'stochastic' ? roundings : roundings.filter((name) => name !== 'stochastic')),
    along('floor', floors),
    [
      ...along('overflow', ['saturate', 'ieee']),
      ...along('specials', ['kept', 'ignored']),
      ...along('subnormals', ['kept', 'flushed', 'flushed-first']),
      ...along('zeroSign', ['kept', 'dropped']),
      ...along('amax', Object.keys(amaxRules)),
      ...along('factor', ['own', 'next']),
      ...along('source', Object.keys(sources)),
      ...along('padding', ['zero', 'one', 'edge']),
      ...along('blank', ['nothing', 'codes', 'all', 'last-row', 'last-element', 'last-word']),
    ],
  ].filter((group) => group.length > 0);
}

/** Axes without effect go back to the spec's value; of layouts that lay the same the most usual is taken. */
function canonical(base: Convention, convention: Convention, layout: (made: Convention) => string): Convention {
  const made: Record<string, string> = { ...convention };
  made.layout = layout(made);
  if (made.layout === 'row-major') made.padding = base.padding!;
  return made;
}

/** Computes lanes of codes and scales under any convention. */
class QuantizeEvaluator {
  private readonly scheme: Scheme;
  private readonly sources: Readonly<Record<string, AmaxGrids>>;
  private readonly actual: ActualQuantized;
  private readonly parts: readonly ResultPart[];
  private readonly quantizers = new Map<string, TileQuantizer>();
  private readonly layoutNames = new Map<string, string>();

  constructor(
    scheme: Scheme,
    sources: Readonly<Record<string, AmaxGrids>>,
    actual: ActualQuantized,
    parts: readonly ResultPart[],
  ) {
    this.scheme = scheme;
    this.sources = sources;
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
      else predicted[i] = (this.sources[convention.source!] ?? this.sources.own!).tensorScale;
    }
    return predicted;
  }

  private tiles(convention: Convention): Tiles {
    const { rows, columns } = this.sources.own!;
    const [tileRows, tileColumns] = parseTile(convention.tile!);
    return {
      rows,
      tileRows: tileRows || rows,
      down: Math.ceil(rows / (tileRows || rows)),
      across: Math.ceil(columns / (tileColumns || columns)),
    };
  }

  private code(convention: Convention, quantizer: TileQuantizer, stored: number): number {
    const { rows, columns } = this.sources.own!;
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
    if (tile >= 0) return quantizer.outcome(tile).stored;
    if (convention.padding === 'zero') return 0;
    if (convention.padding === 'one') return this.actual.scaleType === 'f32' ? 0x3f800000 : 127;
    return quantizer.outcome(quantizer.down * quantizer.across - 1).stored;
  }

  private quantizer(convention: Convention): TileQuantizer {
    const key = [
      'source',
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
    ]
      .map((axis) => convention[axis])
      .join(' ');
    let quantizer = this.quantizers.get(key);
    if (quantizer === undefined) {
      quantizer = new TileQuantizer(this.sources[convention.source!] ?? this.sources.own!, {
        format: convention.format as FormatName,
        tile: parseTile(convention.tile!),
        recipe: convention.recipe!,
        floor: convention.floor!,
        amax: convention.amax!,
        scaleType: this.actual.scaleType,
        rounding: convention.rounding as Rounding,
        overflow: convention.overflow as Overflow,
        specials: convention.specials!,
        subnormals: convention.subnormals!,
        zeroSign: convention.zeroSign!,
        factor: convention.factor!,
        seed: this.scheme.seed,
      });
      if (this.quantizers.size > 256) this.quantizers.clear();
      this.quantizers.set(key, quantizer);
    }
    return quantizer;
  }
}

/** Rules that a scheme's scale type can hold; exported for tests of coverage. */
export const rulesOfScheme = (scheme: Scheme): string[] =>
  rulesFor(scheme.scale.type, scheme.format).map(({ name }) => quantizerRule(name).name);

export type { Deviation };
