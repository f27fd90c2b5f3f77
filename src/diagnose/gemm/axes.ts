import type { TensorCoreModel } from '../../numerics/arithmetic.ts';
import { modelPresets } from '../../specs/presets.ts';
import type { GemmSpec, Operand } from '../../specs/types.ts';
import type { Convention, Move } from '../convention.ts';

/** The model axes of a tensor-core model. */
export function modelMove(model: Pick<TensorCoreModel, 'kind' | 'fractionBits' | 'terms' | 'output' | 'order'>): Move {
  const plain = { align: 'truncate', products: 'as-they-are', zeros: 'out' };
  if (model.kind !== 'aligned') return { model: model.kind, order: 'linear' };
  return {
    model: 'aligned',
    fraction: String(model.fractionBits),
    terms: String(model.terms),
    step: model.output,
    order: model.order,
    ...plain,
  };
}

/** The model axes of a tensor core by its parts. */
export const aligned = (
  fractionBits: number,
  terms: number,
  output: TensorCoreModel['output'],
  order: 'linear' | 'p4' = 'linear',
): Move => modelMove({ kind: 'aligned', fractionBits, terms, output, order });

/** A model with a name. Cost 1: somebody's hardware or a usual reference. */
export interface NamedModel {
  readonly words: string;
  readonly cost: number;
  /** What it multiplies: FP8 codes, or bf16 and wider. It is less likely with the other. */
  readonly operands?: 'codes' | 'wide' | 'any';
  readonly move: Move;
}

const preset = (
  name: keyof typeof modelPresets,
  words: string,
  operands: NamedModel['operands'] = 'any',
): NamedModel => ({ words, cost: 1, operands, move: modelMove(modelPresets[name]) });

/** Models that somebody's hardware, or somebody's reference, has. */
export const namedModels: readonly NamedModel[] = [
  preset('hopper-wgmma-fp8', 'Hopper wgmma FP8 (13 fraction bits, sums of 32)', 'codes'),
  preset('ada-mma-fp8', 'Ada mma.sync FP8 (13 fraction bits, sums of 16)', 'codes'),
  preset('blackwell-fp8', 'Blackwell FP8 (25 fraction bits, sums of 32)', 'codes'),
  preset('exact', 'exact sum of each block, rounded once'),
  preset('f32-sequential', 'f32 sums, k ascending'),
  preset(
    'hopper-mma-sync-fp8',
    'Hopper mma.sync FP8, emulated on FP16 units (25 fraction bits, sums of 16, k in pairs)',
    'codes',
  ),
  preset('hopper-bf16', 'Hopper bf16 tensor core (25 fraction bits, sums of 16)', 'wide'),
  preset('ampere-bf16', 'Ampere or Ada bf16 tensor core (24 fraction bits, sums of 8)', 'wide'),
  { words: 'Volta tensor core (23 fraction bits, sums of 4)', cost: 2, move: aligned(23, 4, 'f32-rz') },
  { words: 'Ampere TF32 tensor core (24 fraction bits, sums of 4)', cost: 2, move: aligned(24, 4, 'f32-rz') },
  { words: 'Hopper TF32 tensor core (25 fraction bits, sums of 8)', cost: 2, move: aligned(25, 8, 'f32-rz') },
  { words: 'Hopper wgmma FP8 with f16 accumulators', cost: 2, move: aligned(13, 32, 'f16-rne') },
  { words: 'Ada mma.sync FP8 with f16 accumulators', cost: 2, move: aligned(13, 16, 'f16-rne') },
  { words: 'Hopper mma.sync FP8 with f16 accumulators', cost: 2, move: aligned(25, 16, 'f16-rne', 'p4') },
  { words: 'Blackwell FP4 (35 fraction bits, sums of 64)', cost: 2, move: aligned(35, 64, 'f32-rz') },
  { words: 'f32 sums, by halves (pairwise)', cost: 1.5, move: { model: 'pairwise' } },
  { words: "f32 sums, NumPy's pairwise order", cost: 1.5, move: { model: 'numpy' } },
  ...[2, 4, 8, 16, 32, 64].map(
    (width): NamedModel => ({
      words: `f32 sums in ${width} interleaved lanes, joined by halves`,
      cost: 2,
      move: { model: `lanes-${width}` },
    }),
  ),
  {
    words: 'AMD CDNA3 FP8 MFMA (even and odd of 16 apart, 24 fraction bits)',
    cost: 1.2,
    operands: 'codes',
    move: { model: 'cdna3-16' },
  },
  {
    words: 'AMD CDNA3 bf16 MFMA (sums of 8, 24 fraction bits, cut downward)',
    cost: 1.2,
    operands: 'wide',
    move: { model: 'cdna3-8' },
  },
  { words: 'f32 sums of 4 by pairs (AMD CDNA2 bf16 MFMA)', cost: 1.5, operands: 'wide', move: { model: 'groups-4' } },
  { words: 'f32 sums of 2 (AMD CDNA1 bf16 MFMA)', cost: 1.5, operands: 'wide', move: { model: 'groups-2' } },
  { words: 'f32 sums, k descending', cost: 2, move: { model: 'sequential', order: 'descending' } },
  { words: 'f16 sums, k ascending', cost: 2, move: { model: 'f16-sequential' } },
  { words: 'bf16 sums, k ascending', cost: 2, move: { model: 'bf16-sequential' } },
];

/** Axes that together are the model. */
export const modelAxes = ['model', 'fraction', 'terms', 'step', 'order', 'align', 'products', 'zeros'] as const;

/** Axes that together are a split of k. */
export const splitAxes = ['split', 'split.cut', 'split.partials', 'split.add', 'split.sum'] as const;

function operandConvention(name: 'a' | 'b', { scheme }: Operand): Convention {
  const axes = {
    form: 'quantized',
    format: scheme.format,
    tile: scheme.tile.join('x'),
    recipe: scheme.scale.recipe,
    floor: String(scheme.scale.amaxFloor),
    amax: 'magnitude',
    rounding: scheme.rounding,
    overflow: scheme.overflow,
    factor: 'own',
    scale: 'own',
    memory: 'own',
    decode: 'own',
  };
  return Object.fromEntries(Object.entries(axes).map(([axis, value]) => [`${name}.${axis}`, value]));
}

/** What a gemm spec says, on every axis. */
export function gemmConvention(spec: Pick<GemmSpec, 'a' | 'b' | 'arithmetic'>): Convention {
  const { model, promoteEvery, combine, promote } = spec.arithmetic;
  return {
    ...operandConvention('a', spec.a),
    ...operandConvention('b', spec.b),
    ...aligned(13, 32, 'e8m13'),
    ...modelMove(model),
    interval: String(promoteEvery),
    first: '0',
    walk: 'ascending',
    clear: 'each',
    scales: 'block',
    combine,
    promote,
    product: 'exact',
    partial: 'f32',
    carry: 'f32',
    split: '1',
    'split.cut': 'ceil-128',
    'split.partials': 'f32',
    'split.add': 'f32',
    'split.sum': 'ascending',
    drop: 'nothing',
    blank: 'nothing',
    'd.transposed': 'no',
    c: 'added',
    output: 'nearest-even',
  };
}

/** Titles of the axes, in the order in which deviations are told. */
export const titles: Readonly<Record<string, string>> = {
  blank: 'result',
  'd.transposed': 'result',
  'group.b': 'B of a group',
  'group.scales': 'B scales of a group',
  'group.rows': 'rows of a group',
  padding: 'rows of no group',
  form: 'operand',
  memory: 'memory',
  format: 'format',
  tile: 'tile',
  recipe: 'scale rule',
  floor: 'amax floor',
  amax: 'amax',
  rounding: 'rounding',
  overflow: 'overflow',
  factor: 'factor',
  scale: 'scale taken',
  decode: 'decoding',
  drop: 'k left out',
  model: 'model',
  interval: 'promotion',
  first: 'first promotion',
  walk: 'blocks of k',
  clear: 'accumulator',
  scales: 'scales applied',
  combine: 'combine',
  promote: 'promote',
  product: 'products',
  partial: 'partial sums',
  carry: 'running sum',
  split: 'split-k',
  c: 'C',
  output: 'output',
};

const formWords: Readonly<Record<string, string>> = {
  quantized: 'codes, with scales on the sums',
  bf16: 'dequantized to bf16 before the product',
  f16: 'dequantized to f16 before the product',
  f32: 'dequantized to f32 before the product',
  tf32: 'dequantized to TF32 before the product',
  scaled: 'codes, with scales inside the instruction (block-scaled tensor core)',
  unquantized: 'not quantized at all',
};

const scaleWords: Readonly<Record<string, string>> = {
  own: "the block's own",
  'next-block': 'that of the next block (the one after in memory)',
  'next-block-clamped': 'that of the next block, the last its own',
  'next-block-wrapped': 'that of the next block, around the end',
  'previous-block': 'that of the block before (in memory)',
  'previous-block-clamped': 'that of the block before, the first its own',
  'first-block': 'that of the first block for all',
  'last-block': 'that of the last block for all',
  'next-row': 'that of the next row of tiles',
  'next-row-wrapped': 'that of the next row of tiles, around the end',
  'previous-row': 'that of the row of tiles before',
  'first-row': 'that of the first row for all',
  'quad-row': 'that of the first of four rows',
  transposed: 'read from the transposed array (column-major taken for row-major)',
  one: 'left out',
  inverse: 'its inverse',
  squared: 'applied twice',
  exchanged: "the other operand's",
  bf16: 'rounded to bf16 after its use',
  f16: 'rounded to f16 after its use',
  'pow2-up': 'rounded up to a power of two after its use (UE8M0)',
  'pow2-down': 'rounded down to a power of two after its use',
  'pow2-nearest': 'rounded to the nearest power of two after its use',
};

/** Which group's B, or B scales. */
const groupWords: Readonly<Record<string, string>> = {
  own: "the group's own",
  next: 'that of the next group, the last its own',
  'next-wrapped': 'that of the next group, around the end',
  previous: 'that of the group before, the first its own',
  first: 'that of the first group for all',
  last: 'that of the last group for all',
  counted: 'counted among the groups that have rows',
};

const words: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'group.b': groupWords,
  'group.scales': { ...groupWords, own: 'those of its B' },
  'group.rows': {
    whole: 'all',
    'last-missing': 'without the last',
    'first-missing': 'without the first',
    'tiles-64': 'whole tiles of 64 alone',
    'tiles-128': 'whole tiles of 128 alone',
    'first-64': 'the first 64 alone',
    'first-128': 'the first 128 alone',
    unaligned: 'of A read right behind the former group, without the alignment',
  },
  padding: {
    zero: 'zeros',
    unwritten: 'left as they were (not looked at)',
    before: 'multiplied too, as far as the last tile of a group goes',
    first: 'multiplied by B of the first group',
  },
  form: formWords,
  scale: scaleWords,
  memory: {
    own: 'as it is',
    'input-transposed': 'the input read transposed, then quantized',
    'codes-transposed': 'the codes read transposed',
  },
  decode: {
    own: 'as the format says',
    unsigned: 'the sign is lost',
    'subnormals-normal': 'subnormal codes read as normal',
    'subnormals-zero': 'subnormal codes read as zero',
    'no-specials': 'NaN and Inf codes read as numbers',
  },
  factor: { own: "the tile's own", next: 'codes are made with the factor of the next tile' },
  walk: { ascending: 'ascending', descending: 'the last first' },
  clear: { each: 'cleared at each promotion', never: 'not cleared between promotions' },
  scales: {
    block: "to each block's sum",
    start: 'to each promoted sum, the scale at its first k',
    final: 'to each promoted sum, the scale at its last k',
    epilogue: 'once, at the end',
    part: 'once a part of the split',
  },
  combine: {
    'scales-first': 'sa * sb first',
    'a-then-b': 'sum * sa, then sb',
    'b-then-a': 'sum * sb, then sa',
    f64: 'in f64',
  },
  promote: { fused: 'one fma', unfused: 'a product, then a sum (or a split-k of one block a part)' },
  product: { exact: 'not rounded', rounded: 'rounded to f32 before they are added' },
  drop: {
    nothing: 'nothing',
    'last-block': 'the last 128 k',
    'last-step': 'the last block between promotions',
    'ragged-block': 'what is left of k past whole blocks of 128',
    'first-block': 'the first 128 k',
    'last-k': 'the last k',
    'last-k32': 'the last 32 k',
    'block-end': 'the last k of each block',
    'block-k32': 'the last 32 k of each block',
    'block-half': 'the second half of each block',
  },
  blank: {
    nothing: 'whole',
    all: 'all zeros',
    'last-row': 'last row zero',
    'last-column': 'last column zero',
    'last-edges': 'last row and last column zero',
  },
  'd.transposed': { no: 'as it is', yes: 'written transposed (column by column)' },
  c: {
    added: 'added before the rounding',
    'left-out': 'left out',
    'after-rounding': 'added to the rounded product',
    twice: 'added twice',
  },
  output: {
    'nearest-even': 'nearest-even',
    'toward-zero': 'truncated (toward zero)',
    'nearest-away': 'nearest, ties away from zero',
    'toward-positive': 'toward positive',
    'toward-negative': 'toward negative',
    'to-odd': 'to odd',
    saturate: 'saturates at the largest value',
    'via-bf16': 'through bf16',
    'via-f16': 'through f16',
    'cut-13': 'cut to 13 fraction bits',
    tf32: 'cut to TF32',
  },
};

/** An axis without its operand: `a.tile` is the tile of a. */
export function splitAxis(axis: string): { readonly operand: string; readonly kind: string } {
  const match = /^([abx])\.(.+)$/.exec(axis);
  return match === null ? { operand: '', kind: axis } : { operand: match[1]!, kind: match[2]! };
}

/** A value of an axis in words. */
export function wordsOf(axis: string, value: string): string {
  const { kind } = splitAxis(axis);
  if (kind === 'interval') return value === '0' ? 'never: one chain over the whole k' : `every ${value} k`;
  if (kind === 'first') return value === '0' ? 'after as many k as the others' : `after ${value} k`;
  if (kind === 'partial') return value === 'f32' ? 'f32' : `rounded to ${value}`;
  if (kind === 'carry') return value === 'f32' ? 'f32' : `kept in ${value} between blocks`;
  if (kind === 'tile') return tileWords(value);
  return words[kind]?.[value] ?? value;
}

const tileWords = (tile: string): string => {
  const [rows, columns] = tile.split('x');
  if (rows === '0' && columns === '0') return 'per tensor';
  if (rows === '1' && columns === '0') return 'per token (1 x whole row)';
  return `${rows === '0' ? 'all' : rows}x${columns === '0' ? 'all' : columns}`;
};
