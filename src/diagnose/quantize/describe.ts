import type { Convention, Deviation } from '../convention.ts';
import { valueWords } from '../gemm/describe.ts';
import { quantizerRules, recipeCost } from '../quantizers.ts';
import { usualTiles } from '../tile-quantizer.ts';
import { layoutOf } from './layouts.ts';

const titles: Readonly<Record<string, string>> = {
  blank: 'result',
  source: 'input',
  halves: 'gate and up',
  function: 'activation',
  product: 'product',
  clamp: 'clamp',
  weights: 'weights',
  slots: 'rows without a slot',
  through: 'activation rounded',
  format: 'format',
  order: 'codes laid out',
  nibbles: 'nibbles',
  tile: 'tile',
  recipe: 'scale rule',
  floor: 'amax floor',
  amax: 'amax',
  factor: 'factor',
  rounding: 'rounding',
  overflow: 'overflow',
  specials: 'NaN and Inf',
  subnormals: 'subnormal codes',
  zeroSign: 'sign of zero',
  stored: 'scale stored',
  layout: 'scales laid out',
  padding: 'padding',
  output: 'output',
};

const words: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  blank: {
    nothing: 'whole',
    codes: 'codes all zero',
    all: 'all zeros',
    'last-row': 'last row of codes zero',
    'last-element': 'last code zero',
    'last-word': 'last word of codes zero',
  },
  source: {
    own: 'as it is',
    transposed: 'read transposed',
    unscaled: 'codes without their first scale',
    bf16: 'dequantized to bf16 first',
  },
  halves: {
    'gate-up': 'gate, then up',
    'up-gate': 'up, then gate',
    interleaved: 'interleaved, gate first',
    'interleaved-up-gate': 'interleaved, up first',
  },
  function: {
    pinned: "silu by the contract's sigmoid",
    correct: 'silu by a correctly rounded sigmoid',
    divided: 'x / (1 + exp(-x)), each operation rounded',
    reciprocal: 'x * (1 / (1 + exp(-x))), each operation rounded',
    tanh: 'x/2 * (1 + tanh(x/2)), each operation rounded',
    double: 'silu(gate) * up in f64, rounded once',
    sigmoid: 'sigmoid(gate) in place of silu',
    'gelu-tanh': 'gelu (tanh) in place of silu',
    relu: 'relu in place of silu',
    'no-up': 'silu(gate) alone, up left out',
  },
  product: { 'silu-first': '(gate * sigmoid) * up', 'sigmoid-up-first': 'gate * (sigmoid * up)' },
  through: {
    f32: 'kept in f32',
    'act-bf16': 'to bf16 before it is quantized',
    bf16: 'to bf16 after each operation',
    'silu-bf16': 'silu to bf16',
    'act-f16': 'to f16 before it is quantized',
    f16: 'to f16 after each operation',
    'silu-f16': 'silu to f16',
  },
  clamp: {
    'as-said': 'gate from above, up on both sides',
    none: 'left out',
    'gate-both': 'gate on both sides too',
    'up-above': 'up from above alone',
    after: 'of the product, on both sides',
  },
  weights: {
    applied: "the row's own, after the product",
    'left-out': 'left out',
    'to-silu': 'multiplied into silu, before up',
    'to-gate': 'multiplied into gate, before silu',
    'to-up': 'multiplied into up',
    bf16: 'rounded to bf16 first',
    squared: 'applied twice',
    'first-row': 'that of the first row for all',
    'next-row': 'that of the next row',
  },
  slots: { zero: 'zeros', computed: 'computed as the others' },
  order: { 'row-major': 'row-major', 'column-major': 'transposed (column-major)' },
  nibbles: { 'low-first': 'the low nibble first', 'high-first': 'the high nibble first' },
  specials: { kept: 'mark their tile', ignored: 'do not mark their tile' },
  subnormals: {
    kept: 'kept',
    flushed: 'flushed to zero',
    'flushed-first': 'values below the least normal flushed before they are rounded',
  },
  zeroSign: { kept: 'kept', dropped: 'dropped' },
  stored: { own: "the tile's own", previous: 'that of the tile before', next: 'that of the tile after' },
  padding: { zero: 'zeros', one: 'ones (2^0)', edge: 'the last scale again' },
};

function wordsOf(axis: string, value: string): string {
  if (axis === 'layout') return layoutOf(value).words;
  return words[axis]?.[value] ?? valueWords(axis, value);
}

/** Floors of projects that do not take DeepSeek's: none (TransformerEngine, MX), 1e-10 (vLLM, SGLang), 1e-12 (torchao). */
const usualFloors: ReadonlySet<string> = new Set(['0', '1e-10', '1e-12']);

/** Axes on which published kernels differ. */
const usual = ['tile', 'format', 'rounding', 'overflow', 'nibbles', 'order', 'function', 'through', 'halves', 'output'];

function costOf(axis: string, value: string): number {
  if (axis === 'layout') return layoutOf(value).cost;
  if (axis === 'floor') return value.startsWith('+') ? 2.5 : usualFloors.has(value) ? 0.5 : 1;
  if (axis === 'tile') return usualTiles.has(value) ? 1 : 1.2;
  return usual.includes(axis) ? 1 : 2;
}

/** Where a quantization leaves the spec. */
export function describeQuantize(spec: Convention, convention: Convention): Deviation[] {
  const rule = quantizerRules.find(({ name }) => name === convention.recipe);
  return Object.keys(titles)
    .filter((axis) => convention[axis] !== spec[axis])
    .filter((axis) => axis !== 'floor' || convention.recipe === spec.recipe || String(rule?.floor) !== convention.floor)
    .map((axis) => ({
      axis,
      axes: axis === 'recipe' && String(rule?.floor) === convention.floor ? [axis, 'floor'] : [axis],
      title: titles[axis]!,
      value: convention[axis]!,
      words: wordsOf(axis, convention[axis]!),
      spec: wordsOf(axis, spec[axis]!),
      cost:
        axis === 'recipe'
          ? recipeCost(convention.recipe!, spec.recipe!, convention.tile!)
          : costOf(axis, convention[axis]!),
    }));
}
