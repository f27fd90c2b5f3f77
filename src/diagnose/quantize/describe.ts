import type { Convention, Deviation } from '../convention.ts';
import { valueWords } from '../gemm/describe.ts';
import { quantizerRules, recipeCost } from '../quantizers.ts';
import { usualTiles } from '../tile-quantizer.ts';
import { layoutOf } from './layouts.ts';

const titles: Readonly<Record<string, string>> = {
  blank: 'result',
  source: 'input',
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

function costOf(axis: string, value: string): number {
  if (axis === 'layout') return layoutOf(value).cost;
  if (axis === 'floor') return value.startsWith('+') ? 2.5 : usualFloors.has(value) ? 0.5 : 1;
  if (axis === 'tile') return usualTiles.has(value) ? 1 : 1.2;
  return ['tile', 'format', 'rounding', 'overflow', 'nibbles', 'order', 'floor'].includes(axis) ? 1 : 2;
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
