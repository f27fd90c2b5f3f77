import type { Arithmetic } from '../../numerics/arithmetic.ts';
import { type FormatName, formats } from '../../numerics/formats.ts';
import { formatValue } from '../../parity/lanes.ts';
import { arithmeticPresets, modelPresets } from '../../specs/presets.ts';
import type { GemmSpec } from '../../specs/types.ts';
import { dtypeOfFormat, type Tensor, type Tensors } from '../../tensors/tensor.ts';
import { along, type Convention, type Move, type Problem, pairs, type Workings } from '../convention.ts';
import { convertedRules, quantizerRules, rulesFor, scaleConversions } from '../quantizers.ts';
import { distanceOf, widthOf } from '../score.ts';
import { amaxRules } from '../tile-quantizer.ts';
import { aligned, gemmConvention, modelMove, namedModels } from './axes.ts';
import { drops, GemmCanon, splitCounts, splitCuts, termCounts } from './canonical.ts';
import { describeGemm, type SplitWords } from './describe.ts';
import { GemmEvaluator, type Working } from './evaluator.ts';
import type { OperandReader } from './operand.ts';
import { scalePlaces } from './operand.ts';

/** Multiply-adds that a confirmation may take; past it a sample is confirmed. */
const confirmWork = 2 ** 25;
/** Multiply-adds of the elements looked at first. */
const firstWork = 2 ** 16;
/** As many elements at least, however long k is. */
const leastElements = 24;
/** Columns of D that a sample for confirmation lies in. */
const confirmAcross = 64;
/** Columns of D that they lie in: as few rows of both operands as can be must be quantized for them. */
const firstAcross = 8;

const intervals = ['32', '64', '128', '256', '512', '0', '16', '1024', '2048', '96', '160', '192', '384'];
/** Where the first promotion comes when it comes an instruction or more too early or late. */
const firsts = ['0', '32', '64', '96', '160'];
const steps = ['e8m13', 'f32-rz', 'f32-rne', 'f16-rne'];
const fractions = Array.from({ length: 23 }, (_, i) => String(i + 8));
const outputs = [
  'nearest-even',
  'toward-zero',
  'nearest-away',
  'via-bf16',
  'via-f16',
  'to-odd',
  'toward-positive',
  'toward-negative',
  'cut-13',
  'tf32',
  'saturate',
];

/** A gemm spec with somebody's D, ready to be searched. */
export function gemmProblem(spec: GemmSpec, inputs: Tensors, d: Tensor): Problem {
  const evaluator = new GemmEvaluator(spec, inputs);
  const base = gemmConvention(spec);
  const canon = new GemmCanon(evaluator, base);
  const { m, n, k } = spec.shape;
  return {
    spec: base,
    noisy: true,
    starts: startMoves(evaluator),
    tiers: tiersOf(spec, evaluator, base),
    ...elementsOf(spec, [m, n], d),
    ...samplesOf(m, n, k),
    canonical: (convention) => canon.of(convention),
    predict: (convention, elements) => evaluator.predict(convention, elements),
    describe: (convention) => describeGemm(base, convention, (of) => splitWords(evaluator, of)),
    workings: (convention, element) => workingsOf(evaluator, convention, element),
  };
}

/** D as the one part of a problem. */
export function elementsOf(
  { output }: Pick<GemmSpec, 'output'>,
  shape: readonly number[],
  d: Tensor,
): Pick<Problem, 'parts' | 'count'> {
  const dtype = dtypeOfFormat[output];
  return {
    parts: [{ name: 'd', start: 0, shape, actual: d.codes, distance: distanceOf(dtype), bits: widthOf(dtype) }],
    count: d.codes.length,
  };
}

/** Elements of D [m, n] that are looked at, and those that candidates are confirmed on. */
export function samplesOf(m: number, n: number, k: number): Pick<Problem, 'sets' | 'confirmed'> {
  const count = m * n;
  const first = Math.max(Math.floor(firstWork / k), leastElements);
  return {
    sets: [
      sample(m, n, 2, 1),
      sample(m, n, Math.min(9, first / 4), 3),
      sample(m, n, Math.min(25, first / 2), 5),
      sample(m, n, first, firstAcross),
    ],
    confirmed:
      count * k <= confirmWork
        ? Int32Array.from({ length: count }, (_, i) => i)
        : sample(m, n, Math.max(Math.floor(confirmWork / k), 256), confirmAcross),
  };
}

/** One element block by block, in decimals. */
export function workingsOf(evaluator: GemmEvaluator, convention: Convention, element: number): Workings {
  const { blocks, code } = evaluator.workings(convention, element);
  return { blocks: blocks.map(tellWorking), code };
}

/** The parts that a split comes to, and the counts that ask for the same parts. */
export function splitWords(evaluator: GemmEvaluator, convention: Convention): SplitWords {
  const own = evaluator.cut(convention);
  const same = splitCounts.filter(
    (split) => split === convention.split || evaluator.cut({ ...convention, split }).whole === own.whole,
  );
  return { parts: own.parts.length, requests: same.map(Number) };
}

function tellWorking({ k, partial, sa, sb, sum }: Working): Workings['blocks'][number] {
  const ranges = k.map(([start, end]) => `${start}-${end - 1}`);
  const tell = (x: number): string => formatValue(Math.fround(x));
  return { k: ranges.join(' '), partial: tell(partial), sa: tell(sa), sb: tell(sb), sum: tell(sum) };
}

/** About `wanted` elements on a grid of rows and columns that is spread over D, `across` columns wide. */
function sample(m: number, n: number, wanted: number, across: number): Int32Array {
  const columns = spread(n, Math.min(across, n));
  const rows = spread(m, Math.min(Math.max(Math.floor(wanted / columns.length), 1), m));
  const wider =
    rows.length * columns.length < wanted ? spread(n, Math.min(Math.ceil(wanted / rows.length), n)) : columns;
  return Int32Array.from(rows.flatMap((row) => wider.map((column) => row * n + column))).sort();
}

/** `count` places spread over an extent: evenly, but not all at the same place within tiles. */
function spread(extent: number, count: number): number[] {
  const places = new Set<number>();
  for (let i = 0; i < count; i++)
    places.add(Math.min(Math.floor(((i + ((i * 0.618034) % 1)) * extent) / count), extent - 1));
  return [...places].sort((a, b) => a - b);
}

const both = (moves: readonly Move[]): Move[] =>
  moves.map((move) =>
    Object.fromEntries(
      Object.entries(move).flatMap(([axis, value]) => [
        [`a.${axis}`, value],
        [`b.${axis}`, value],
      ]),
    ),
  );

const each = (moves: readonly Move[], name: 'a' | 'b'): Move[] =>
  moves.map((move) => Object.fromEntries(Object.entries(move).map(([axis, value]) => [`${name}.${axis}`, value])));

/** Rules that leave a spec on several axes at once: the presets of arithmetic, products of wider operands, MX tiles. */
export function startMoves(evaluator: GemmEvaluator): Move[] {
  const quantizes = evaluator.a.grids !== undefined && evaluator.b.grids !== undefined;
  const wide = [...both(along('form', ['bf16', 'f32', 'tf32'])), ...(quantizes ? both([{ form: 'unquantized' }]) : [])];
  const cores = ['sequential', 'exact', 'hopper-bf16', 'ampere-bf16', 'ampere-tf32'].map((name) => ({
    ...wideModels[name]!,
    interval: '0',
  }));
  const blackwell = modelMove(modelPresets['blackwell-fp8']);
  return [
    ...Object.values(arithmeticPresets).map(presetMove),
    ...pairs(wide, cores),
    ...both(along('form', ['scaled'])).map((move) => ({ ...move, ...blackwell, interval: '0' })),
    ...(quantizes
      ? both(['pow2', ...mxRecipes].map((recipe) => ({ form: 'scaled', recipe }))).map((move) => ({
          ...move,
          ...blackwell,
          interval: '0',
        }))
      : []),
    ...(quantizes ? both(mxRecipes.map((recipe) => ({ tile: '1x32', recipe, floor: '0' }))) : []),
  ];
}

const mxRecipes = ['mx-floor', 'mx-rceil', 'pow2'];

const wideModels: Readonly<Record<string, Move>> = {
  sequential: modelMove(modelPresets['f32-sequential']),
  exact: modelMove(modelPresets.exact),
  'hopper-bf16': modelMove(modelPresets['hopper-bf16']),
  'ampere-bf16': modelMove(modelPresets['ampere-bf16']),
  'ampere-tf32': aligned(24, 4, 'f32-rz'),
};

function presetMove({ model, promoteEvery, combine, promote }: Arithmetic): Move {
  const scales = promoteEvery === 0 ? 'start' : 'block';
  return { ...modelMove(model), interval: String(promoteEvery), combine, promote, scales };
}

function recipeMoves(reader: OperandReader, format: FormatName): Move[] {
  if (reader.grids === undefined) return [];
  return rulesFor('f32', format)
    .filter(({ name }) => convertedRules[name] === undefined)
    .map(({ name, floor }) => ({ recipe: name, floor: String(floor) }));
}

export function tiersOf(spec: GemmSpec, evaluator: GemmEvaluator, base: Convention): Move[][][] {
  const quantizes = (name: 'a' | 'b'): boolean => evaluator[name].grids !== undefined;
  const either = (moves: readonly Move[], needed = true): Move[] =>
    (['a', 'b'] as const).flatMap((name) => (!needed || quantizes(name) ? each(moves, name) : []));
  const jointly = quantizes('a') && quantizes('b');
  const bothQuantized = (moves: readonly Move[]): Move[] => (jointly ? both(moves) : []);
  const models = namedModels.map(({ move }) => move);
  const forms = along('form', ['quantized', 'bf16', 'f16', 'f32', 'unquantized', 'tf32', 'scaled']);
  const given = forms.filter(({ form }) => form !== 'unquantized');
  const recipes = recipeMoves(evaluator.a.grids === undefined ? evaluator.b : evaluator.a, spec.a.scheme.format);
  const tiles = [
    '1x128',
    '128x128',
    '1x64',
    '64x64',
    '1x32',
    '32x32',
    '1x16',
    '1x256',
    '1x0',
    '0x0',
    '0x128',
    '128x0',
  ].map((tile): Move => ({ tile }));
  for (const tile of ['128x1', '32x1']) for (const form of ['bf16', 'f32']) tiles.push({ tile, form });
  const conversions = along('scale', Object.keys(scaleConversions));
  const scaleFaults = [...along('scale', [...Object.keys(scalePlaces), 'one', 'inverse', 'squared']), ...conversions];
  const late = pairs(along('first', firsts), along('interval', [...new Set([base.interval!, '128'])]));
  const chained = pairs(
    [...along('interval', ['0', '256', '512', '96', '160', '192']), ...late],
    along('scales', ['start', 'final']),
  );
  const constant = evaluator.finest(base) === 0;
  const epilogue = constant ? along('scales', ['epilogue', 'part', 'block']) : [];
  const combines = pairs(
    along('combine', ['scales-first', 'a-then-b', 'b-then-a']),
    along('promote', ['fused', 'unfused']),
  );
  const parts = pairs(along('split', ['1', ...splitCounts]), [
    { 'split.partials': 'f32', 'split.add': 'f32' },
    { 'split.partials': 'bf16', 'split.add': 'f32' },
    { 'split.partials': 'f16', 'split.add': 'f32' },
    // The output so far is read again as C: CUTLASS' serial split.
    { 'split.partials': 'f32', 'split.add': 'bf16' },
    { 'split.partials': 'f32', 'split.add': 'f16' },
    { 'split.partials': 'bf16', 'split.add': 'bf16' },
    { 'split.partials': 'f16', 'split.add': 'f16' },
  ]);
  const likely: Move[][] = [
    [
      ...either(scaleFaults, false),
      ...both([...along('scale', ['one', 'inverse', 'exchanged']), ...conversions]),
      ...either(along('memory', ['own', 'codes-transposed']), false),
      ...either(along('memory', ['input-transposed'])),
      ...either(along('decode', ['own', 'unsigned', 'subnormals-normal', 'subnormals-zero', 'no-specials']), false),
      ...along('drop', drops),
      ...along('blank', ['nothing', 'all', 'last-row', 'last-column', 'last-edges']),
      ...along('clear', ['each', 'never']),
      ...along('walk', ['ascending', 'descending']),
      ...(Math.min(spec.shape.m, spec.shape.n) > 1 ? along('d.transposed', ['no', 'yes']) : []),
      ...(evaluator.hasC ? along('c', ['added', 'left-out', 'after-rounding', 'twice']) : []),
    ],
    jointly ? pairs(each(forms, 'a'), each(forms, 'b')) : pairs(each(given, 'a'), each(given, 'b')),
    [
      ...pairs(models.slice(0, 8), along('interval', intervals.slice(0, 6))),
      ...models,
      ...along('interval', intervals),
      ...chained,
      ...late,
    ],
    // Where scales do not change along k they may wait for the end, and a loop that promotes too late loses its last sum.
    pairs(
      [...along('interval', intervals), ...late],
      constant
        ? [{ scales: 'epilogue' }, { scales: 'epilogue', drop: 'last-step' }, { drop: 'last-step' }]
        : [{ drop: 'last-step' }],
    ),
    pairs(jointModels(), along('interval', [...new Set([base.interval!, '32', '64', '0'])])),
    // A running sum that is kept short hides the interval and the output's rounding alike.
    pairs(pairs(along('carry', ['bf16', 'f16']), along('interval', intervals.slice(0, 6))), [
      { output: 'nearest-even' },
      { output: 'toward-zero' },
    ]),
    along('output', outputs),
    [...either(recipes), ...bothQuantized(recipes)],
    [...either(tiles), ...bothQuantized(tiles)],
    [...combines, { combine: 'f64' }, ...epilogue],
    [
      ...along('carry', ['f32', 'bf16', 'f16', 'f64']),
      ...along('partial', ['f32', 'bf16', 'f16']),
      ...along('product', ['exact', 'rounded']),
    ],
    parts,
    constant ? pairs(parts, along('scales', ['epilogue', 'part'])) : [],
    pairs(
      pairs(
        along('split', splitCounts),
        along('split.cut', ['balanced-128', 'ceil-64', 'balanced-1', 'ceil-1', 'interleaved-128', 'interleaved-32']),
      ),
      along('split.partials', ['f32', 'bf16', 'f16']),
    ),
    [...along('split.cut', splitCuts), ...along('split.sum', ['ascending', 'descending', 'tree', 'pairs'])],
    fineModels(),
    [
      ...either(
        along('floor', ['0', '1e-12', '1e-10', '1e-8', '0.000001', '0.0001', '0.001', '+1e-4', '+1e-6', '+1e-8']),
      ),
      ...either(
        along('rounding', [
          'nearest-even',
          'toward-zero',
          'nearest-away',
          'to-odd',
          'toward-positive',
          'toward-negative',
          'stochastic',
        ]),
      ),
      ...either(along('amax', Object.keys(amaxRules))),
      ...either(along('factor', ['own', 'next'])),
      ...either(along('format', formats[spec.a.scheme.format].bits === 8 ? ['e4m3', 'e5m2'] : [spec.a.scheme.format])),
    ],
  ];
  return [likely.filter((group) => group.length > 0), jointTier(models, combines, parts, recipes, jointly)];
}

/** Fraction bits, terms and output of a tensor core together: each hides the others, and the promotion interval all of them. */
function jointModels(): Move[] {
  const parts = pairs(
    pairs(along('fraction', fractions), along('terms', ['4', '8', '16', '32', '64'])),
    along('step', steps),
  );
  return parts.map((move) => ({ model: 'aligned', order: 'linear', ...move }));
}

/** One part of a tensor-core model at a time. */
function fineModels(): Move[] {
  const tensorCore = (moves: readonly Move[]): Move[] => moves.map((move) => ({ model: 'aligned', ...move }));
  return tensorCore([
    ...along('fraction', fractions),
    ...along('terms', termCounts),
    ...along('step', steps),
    ...along('order', ['linear', 'p4', 'descending']),
    ...along('align', ['truncate', 'floor', 'nearest']),
    ...along('products', ['as-they-are', 'normalized']),
    ...along('zeros', ['out', 'in']),
  ]);
}

/** Axes that hide each other, tried together: dear, so only where the first tier leaves something over. */
function jointTier(
  models: readonly Move[],
  combines: readonly Move[],
  parts: readonly Move[],
  recipes: readonly Move[],
  jointly: boolean,
): Move[][] {
  const plainParts = parts.filter((move) => move['split.partials'] === 'f32');
  const main = models.slice(0, 8);
  return [
    pairs(pairs(main, along('interval', ['0', '128'])), plainParts),
    pairs(
      pairs(combines, along('carry', ['f32', 'bf16', 'f16'])),
      along('output', ['nearest-even', 'toward-zero', 'via-bf16', 'via-f16']),
    ),
    jointly ? pairs(each(recipes.slice(0, 24), 'a'), each(recipes.slice(0, 24), 'b')) : [],
  ].filter((group) => group.length > 0);
}

/** Rules known to a gemm's operands; exported for tests of coverage. */
export const operandRules = quantizerRules;
