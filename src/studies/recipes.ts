import { decodeBits } from '../numerics/decode-bits.ts';
import { encodeBits } from '../numerics/encode-bits.ts';
import { bitsOf, divBits, fromBits, mulBits } from '../numerics/f32.ts';
import { formats } from '../numerics/formats.ts';
import { type Factor, quantizeBits, tileScale } from '../numerics/scale.ts';
import type { Scheme } from '../numerics/scheme.ts';
import { schemePresets } from '../specs/presets.ts';
import { generateRows } from '../tensors/generate.ts';
import type { Chart } from './chart.ts';
import { type OptionValues, seedOption } from './options.ts';
import { type Column, defineStudy, type Finding, type Row, type StudyCase, type StudyContext } from './study.ts';
import { cellText, columnOf, distinct, numberOf, tableOf } from './tables.ts';

const e4m3 = formats.e4m3;
const tile = 128;

/** A tile's stored scale (f32 bits) and a function from f32 bits to codes. */
interface TileQuantizer {
  readonly scale: number;
  readonly code: (bits: number) => number;
}

/** A public way to quantize a tile. */
interface Recipe {
  /** Whose it is and what it does, for readers. */
  readonly text: string;
  readonly tile: (amax: number) => TileQuantizer;
}

function byScheme(scheme: Scheme, text: string): Recipe {
  return {
    text,
    tile(amax) {
      const { stored, factor } = tileScale(amax, scheme);
      return { scale: stored, code: (bits) => codeOf(bits, factor) };
    },
  };
}

const codeOf = (bits: number, factor: Factor): number => quantizeBits(bits, factor, e4m3, 'nearest-even', 'saturate');

const one = 0x3f800000;
const max = bitsOf(448);
const floor = bitsOf(1e-4);

/** DeepGEMM's utils under PyTorch on CUDA, where dividing by a Python number multiplies by its reciprocal. */
const deepgemmOnCuda: Recipe = {
  text: 'DeepGEMM utils, PyTorch on CUDA: s = amax * fl(1/448), x * (1/s)',
  tile(amax) {
    const scale = mulBits(Math.max(amax, floor), divBits(one, max));
    const factor = divBits(one, scale);
    return { scale, code: (bits) => codeOf(bits, { kind: 'multiply', bits: factor }) };
  },
};

/**
 * The code nearest to the real number x * 448 / amax, ties to even: what every recipe stands in for. x * 448 and a midpoint times amax are exact
 * in doubles.
 */
const realQuotient: Recipe = {
  text: 'no rounding before the code',
  tile(amax) {
    const scale = divBits(amax, max);
    const top = fromBits(amax);
    return {
      scale,
      code(bits) {
        const guess = encodeBits(divBits(bits, scale), e4m3, 'nearest-even', 'saturate');
        return nearestCode(Math.abs(fromBits(bits)) * 448, top, guess);
      },
    };
  },
};

const decoded = Float64Array.from({ length: 128 }, (_, code) => fromBits(decodeBits(code, e4m3)));

/** Moves a code that is at most one step off to the one nearest to scaled / amax. */
function nearestCode(scaled: number, amax: number, guess: number): number {
  const sign = guess & 0x80;
  const code = guess & 0x7f;
  const middle = (low: number): number => ((decoded[low]! + decoded[low + 1]!) / 2) * amax;
  const isOdd = code % 2;
  if (code > 0) {
    const below = middle(code - 1);
    if (scaled < below || (scaled === below && isOdd)) return sign | (code - 1);
  }
  if (code < e4m3.maxCode) {
    const above = middle(code);
    if (scaled > above || (scaled === above && isOdd)) return sign | (code + 1);
  }
  return guess;
}

const f32Recipes = {
  'DeepSeek-V3 Triton': byScheme(
    schemePresets['activation-1x128'],
    's = amax / 448, x / s (IEEE form of act_quant; vLLM alike)',
  ),
  DeepGEMM: byScheme(schemePresets['activation-1x128-deepgemm'], 's = amax / 448, x * (1/s)'),
  'DeepGEMM on CUDA': deepgemmOnCuda,
  TileKernels: byScheme(schemePresets['activation-1x128-tilekernels'], 's = amax / 448, x * (448/amax)'),
  DeepEP: byScheme(schemePresets['activation-1x128-deepep'], 's = amax * fl(1/448), x * (448/amax)'),
  'DeepSeek-V3.2': byScheme(schemePresets['activation-1x128-v32'], 's = amax * fl(1/448), x / s'),
  TransformerEngine: byScheme(schemePresets['activation-1x128-te'], 't = 448 / amax, s = 1/t, x * t'),
  torchao: byScheme(schemePresets['activation-1x128-torchao'], 't = f32(448 / f64(amax)), s = 1/t, x * t'),
  'real quotient': realQuotient,
} as const satisfies Record<string, Recipe>;

/** The same with each scale rounded up to a power of two, in the ways that public code does it. */
const pow2Recipes = {
  'pow2, exponent from amax / 448': byScheme(
    schemePresets['activation-1x128-pow2'],
    'ceil of the exponent of amax / 448',
  ),
  'pow2, exponent from amax * fl(1/448)': byScheme(
    {
      ...schemePresets['mxfp8-rceil'],
      tile: [1, 128],
      scale: { ...schemePresets['mxfp8-rceil'].scale, type: 'f32', amaxFloor: 1e-4 },
    },
    'ceil of the exponent of amax * fl(1/448) (DeepEP, TransformerEngine e8m0)',
  ),
  'pow2, multiplier 448 / amax cut': {
    text: '448 / amax truncated to a power of two (TransformerEngine)',
    tile(amax: number) {
      const factor = (divBits(max, Math.max(amax, floor)) & 0x7f800000) >>> 0;
      return { scale: divBits(one, factor), code: (bits: number) => codeOf(bits, { kind: 'multiply', bits: factor }) };
    },
  },
} as const satisfies Record<string, Recipe>;

const families = { f32: f32Recipes, pow2: pow2Recipes } as const;
type Family = keyof typeof families;

const options = {
  tiles: { kind: 'integer', least: 1, most: 2 ** 22, default: 20_000, text: 'tiles of 128 elements' },
  data: {
    kind: 'choices',
    choices: ['bf16', 'f32'] as const,
    default: ['bf16', 'f32'] as const,
    text: 'normal values as bf16 or f32',
  },
  seed: seedOption,
} as const;

interface RecipeCase extends StudyCase {
  readonly data: 'bf16' | 'f32';
  readonly family: Family;
}

const columns: readonly Column[] = [
  { name: 'data', label: 'data', format: 'text' },
  { name: 'scales', label: 'scales are', format: 'text' },
  { name: 'a', label: 'recipe', format: 'text' },
  { name: 'b', label: 'against', format: 'text' },
  { name: 'elements', label: 'elements', format: 'integer' },
  { name: 'codes_differ', label: 'codes differ', format: 'percent' },
  { name: 'scales_differ', label: 'scales differ', format: 'percent' },
  { name: 'max_code_steps', label: 'most steps', format: 'integer' },
  { name: 'max_scale_ulps', label: 'most ULP of a scale', format: 'integer' },
];

/** Tiles made and compared at a time. */
const chunk = 250;

/** Codes and scales of every recipe for some tiles. */
function quantizeAll(recipes: readonly Recipe[], words: Uint32Array): { codes: Uint8Array[]; scales: Uint32Array[] } {
  const tiles = words.length / tile;
  const codes = recipes.map(() => new Uint8Array(words.length));
  const scales = recipes.map(() => new Uint32Array(tiles));
  for (let t = 0; t < tiles; t++) {
    let amax = 0;
    for (let i = t * tile; i < (t + 1) * tile; i++) amax = Math.max(amax, words[i]! & 0x7fffffff);
    for (const [at, recipe] of recipes.entries()) {
      const { scale, code } = recipe.tile(amax);
      scales[at]![t] = scale;
      for (let i = t * tile; i < (t + 1) * tile; i++) codes[at]![i] = code(words[i]!);
    }
  }
  return { codes, scales };
}

/** How often two recipes differ. */
export class PairCounts {
  codes = 0;
  scales = 0;
  /** Most code steps between them. */
  steps = 0;
  /** Most units in the last place between their scales. */
  ulps = 0;

  add(a: ArrayLike<number>, b: ArrayLike<number>, scalesA: ArrayLike<number>, scalesB: ArrayLike<number>): void {
    for (let i = 0; i < a.length; i++) {
      if (a[i] === b[i]) continue;
      this.codes++;
      this.steps = Math.max(this.steps, Math.abs((a[i]! & 0x7f) - (b[i]! & 0x7f)));
    }
    for (let i = 0; i < scalesA.length; i++) {
      if (scalesA[i] === scalesB[i]) continue;
      this.scales++;
      this.ulps = Math.max(this.ulps, Math.abs(scalesA[i]! - scalesB[i]!));
    }
  }
}

/** Counts of two recipes of a family, by their names. */
export interface RecipePair {
  readonly a: string;
  readonly b: string;
  readonly counts: PairCounts;
}

/** Every pair of a family's recipes, with nothing counted yet. */
export function recipePairs(family: Family): readonly RecipePair[] {
  const names = Object.keys(families[family]);
  return names.flatMap((a, at) => names.slice(at + 1).map((b) => ({ a, b, counts: new PairCounts() })));
}

/** Quantizes f32 bits (tiles of 128 after each other) by every recipe of a family and adds to the counts of its pairs. */
export function compareRecipes(family: Family, words: Uint32Array, pairs: readonly RecipePair[]): void {
  const names = Object.keys(families[family]);
  const { codes, scales } = quantizeAll(Object.values(families[family]), words);
  for (const { a, b, counts } of pairs) {
    const [i, j] = [names.indexOf(a), names.indexOf(b)];
    counts.add(codes[i]!, codes[j]!, scales[i]!, scales[j]!);
  }
}

async function runCase({ data, family }: RecipeCase, values: OptionValues<typeof options>, context: StudyContext) {
  const pairs = recipePairs(family);
  const input = {
    generate: 'normal',
    seed: values.seed,
    dtype: data,
    exponent: 0,
    share: 0,
    factorExponent: 0,
  } as const;
  const shape = [values.tiles, tile];
  for (let first = 0; first < values.tiles; first += chunk) {
    const { codes } = generateRows(input, shape, first, Math.min(chunk, values.tiles - first));
    compareRecipes(
      family,
      Uint32Array.from(codes, (code) => decodeBits(code, formats[data])),
      pairs,
    );
    await context.progress(first / values.tiles);
  }
  const elements = values.tiles * tile;
  return pairs.map(
    ({ a, b, counts }): Row => ({
      data,
      scales: family,
      a,
      b,
      elements,
      codes_differ: counts.codes / elements,
      scales_differ: counts.scales / values.tiles,
      max_code_steps: counts.steps,
      max_scale_ulps: counts.ulps,
    }),
  );
}

const base = 'DeepSeek-V3 Triton';

/** How far each recipe is from DeepSeek's own. */
function charts(rows: readonly Row[]): Chart[] {
  const mine = rows.filter((row) => row.a === base);
  const panels = (column: string) => [
    {
      title: '',
      series: distinct(mine, 'data').map((data) => ({
        name: `${data} values`,
        points: mine.filter((row) => row.data === data).map((row) => ({ x: String(row.b), y: numberOf(row[column]) })),
      })),
    },
  ];
  const x = { label: 'recipe', scale: 'category' } as const;
  return [
    {
      name: 'recipes-codes',
      title: 'FP8 codes that differ from those of DeepSeek-V3’s Triton kernel',
      subtitle:
        'Normal data in 1x128 tiles with f32 scales; a code that differs does so by one step. None differ with power-of-two scales.',
      kind: 'dots',
      x,
      y: { label: 'share of codes', scale: 'log', percent: true },
      panels: panels('codes_differ'),
    },
    {
      name: 'recipes-scales',
      title: 'f32 scales that differ from those of DeepSeek-V3’s Triton kernel',
      subtitle: 'Normal data in 1x128 tiles. The codes of the same two recipes may all agree.',
      kind: 'bars',
      x,
      y: { label: 'share of scales', scale: 'linear', percent: true },
      panels: panels('scales_differ'),
    },
  ];
}

function findings(rows: readonly Row[]): Finding[] {
  const of = (a: string, b: string): Row | undefined =>
    rows.find((row) => row.data === 'bf16' && row.a === a && row.b === b);
  const share = (row: Row | undefined, name: string): string => cellText(columnOf(columns, name), row?.[name]);
  const pow2 = rows.filter((row) => row.scales === 'pow2');
  const found: Finding[] = [];
  if (of(base, 'DeepGEMM') !== undefined) {
    found.push({
      text: `bf16: codes differ in ${share(of(base, 'DeepGEMM'), 'codes_differ')} (DeepSeek-V3 Triton against DeepGEMM) and ${share(of(base, 'TileKernels'), 'codes_differ')} (against TileKernels); f32 scales in ${share(of(base, 'DeepEP'), 'scales_differ')} (against DeepEP) and ${share(of(base, 'TransformerEngine'), 'scales_differ')} (against TransformerEngine).`,
    });
  }
  if (pow2.length > 0) {
    const differ = pow2.reduce((sum, row) => sum + numberOf(row.codes_differ) + numberOf(row.scales_differ), 0);
    found.push({
      text:
        differ === 0
          ? 'With power-of-two scales every public form gives the same scales and codes.'
          : 'Even power-of-two forms differ here: see the table.',
    });
  }
  return found;
}

/** The public quantizers of one paper, and how far they are from each other. */
export const recipes = defineStudy({
  name: 'recipes',
  title: 'Public 1x128 quantizers held against each other',
  source:
    'DeepSeek-V3 inference/kernel.py, DeepGEMM, TileKernels, DeepEP, TransformerEngine, torchao; docs/numerics.md "Quantization"',
  question: 'How many codes and scales differ between projects that quantize by the same paper?',
  options,
  columns,
  cases: (values) =>
    values.data.flatMap((data) =>
      (['f32', 'pow2'] as const).map(
        (family): RecipeCase => ({ data, family, label: `${data} values, ${family} scales` }),
      ),
    ),
  run: runCase,
  present: (rows) => {
    const shown = ['a', 'b', 'codes_differ', 'scales_differ', 'max_code_steps', 'max_scale_ulps'];
    const groups = distinct(rows, 'data').flatMap((data) =>
      distinct(rows, 'scales').map((scales) => ({
        title: `${data} values, ${scales} scales, ${cellText(columns[4]!, rows[0]?.elements)} elements`,
        // Of f32 values, whose codes hardly differ, those against DeepSeek's own; CSV has every pair.
        rows: rows.filter(
          (row) =>
            row.data === data && row.scales === scales && (data === 'bf16' || row.a === base || scales === 'pow2'),
        ),
      })),
    );
    const list = Object.entries({ ...f32Recipes, ...pow2Recipes }).map(([name, { text }]) => [name, text]);
    return {
      tables: [
        { title: 'Recipes', heads: ['recipe', 'what it does'], rows: list },
        ...groups.map((group) => tableOf(group.title, columns, shown, group.rows)),
      ],
      charts: charts(rows),
      findings: findings(rows),
    };
  },
});
