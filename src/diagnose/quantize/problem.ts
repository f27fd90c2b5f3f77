import { formats, roundings } from '../../numerics/formats.ts';
import type { Scheme } from '../../numerics/scheme.ts';
import type { Tensor } from '../../tensors/tensor.ts';
import { along, type Convention, type Deviation, type Move, type Problem, type ResultPart } from '../convention.ts';
import { givenRuleNames, quantizerRule, rulesFor } from '../quantizers.ts';
import { distanceOf, widthOf } from '../score.ts';
import { amaxRules } from '../tile-quantizer.ts';
import { describeQuantize } from './describe.ts';
import { type ActualQuantized, QuantizeEvaluator } from './evaluator.ts';
import { layouts } from './layouts.ts';
import type { Origin } from './origin.ts';

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
/** 1 / 512 is the amax of vLLM's least scale of a token, 1 / (512 * 448). */
const floors = [
  '0',
  '1e-12',
  '1e-10',
  '1e-8',
  '0.000001',
  '0.00001',
  '0.0001',
  '0.001',
  '0.001953125',
  '+1e-4',
  '+1e-6',
  '+1e-8',
  '+1e-12',
];
const confirmElements = 2 ** 20;
const firstElements = 640;

/** What a quantization says on every axis. */
export function quantizeConvention(scheme: Scheme): Convention {
  return {
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
    stored: 'own',
    layout: scheme.scale.layout,
    padding: 'zero',
    blank: 'nothing',
  };
}

/** A quantization with somebody's codes and scales, ready to be searched. */
export function quantizeProblem(scheme: Scheme, origin: Origin, actual: ActualQuantized): Problem {
  const base: Convention = { ...origin.own, ...quantizeConvention(scheme) };
  const parts = partsOf(actual);
  const count = parts.at(-1)!.start + parts.at(-1)!.actual.length;
  const evaluator = new QuantizeEvaluator(scheme, origin, actual, parts);
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
    tiers: [[...groupsOf(scheme, actual, shapes), ...origin.groups]],
    resort: along('recipe', actual.scaleType === 'e4m3' ? [] : givenRuleNames).map((move) => ({ ...move, floor: '0' })),
    parts,
    count,
    sets: [chosen(parts, 24), chosen(parts, 80), chosen(parts, 240), chosen(parts, firstElements)],
    confirmed: chosen(parts, confirmElements),
    canonical: (convention) => canonical(base, origin.canonical(convention), (made) => evaluator.layoutName(made)),
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

function groupsOf(scheme: Scheme, actual: ActualQuantized, shapes: readonly Move[]): Move[][] {
  const rules = rulesFor(actual.scaleType, actual.format);
  const narrow = formats[actual.format].bits === 4;
  return [
    shapes.slice(),
    rules.flatMap(({ name, floor }): Move[] => [{ recipe: name, floor: String(floor) }, { recipe: name }]),
    [
      ...along('order', ['row-major', 'column-major']),
      ...(narrow ? along('nibbles', ['low-first', 'high-first']) : []),
    ],
    along('rounding', [
      ...roundings.filter((name) => name !== 'stochastic' || scheme.rounding === name),
      'nearest-down',
    ]),
    along('floor', floors),
    [
      ...along('overflow', ['saturate', 'ieee']),
      ...along('specials', ['kept', 'ignored']),
      ...along('subnormals', ['kept', 'flushed', 'flushed-first']),
      ...along('zeroSign', ['kept', 'dropped']),
      ...along('amax', Object.keys(amaxRules)),
      ...along('factor', ['own', 'next']),
      ...along('stored', ['own', 'previous', 'next']),
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

/** Rules that a scheme's scale type can hold; exported for tests of coverage. */
export const rulesOfScheme = (scheme: Scheme): string[] =>
  rulesFor(scheme.scale.type, scheme.format).map(({ name }) => quantizerRule(name).name);

export type { Deviation };
