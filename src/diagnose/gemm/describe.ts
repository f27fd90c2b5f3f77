import type { Convention, Deviation } from '../convention.ts';
import { quantizerRule, quantizerRules, recipeCost } from '../quantizers.ts';
import { amaxRules, usualTiles } from '../tile-quantizer.ts';
import { modelAxes, type NamedModel, namedModels, splitAxes, splitAxis, titles, wordsOf } from './axes.ts';

/** Costs of axes whose deviations are not equally far-fetched; 2 where nothing is said. */
const costs: Readonly<Record<string, number>> = {
  interval: 1,
  first: 1.5,
  combine: 1,
  promote: 1,
  split: 1,
  output: 1,
  form: 1.2,
  tile: 1,
  format: 1,
  scale: 2,
  'd.transposed': 2,
  padding: 1,
  c: 2,
  // A sum that lives in the output.
  carry: 1.2,
};

/** Where a gemm's convention leaves the spec. */
export function describeGemm(
  spec: Convention,
  convention: Convention,
  splitOf: (convention: Convention) => SplitWords,
): Deviation[] {
  const found: Deviation[] = [];
  const differs = (axis: string): boolean => convention[axis] !== spec[axis];
  if (modelAxes.some(differs)) found.push(modelDeviation(spec, convention));
  if (splitAxes.some(differs)) found.push(splitDeviation(convention, splitOf(convention)));
  const told = new Set<string>([...modelAxes, ...splitAxes]);
  for (const axis of Object.keys(convention)) {
    if (told.has(axis) || !differs(axis) || isRulesOwnFloor(convention, axis)) continue;
    found.push(axisDeviation(spec, convention, axis));
  }
  const order = Object.keys(titles);
  return found.sort((x, y) => order.indexOf(splitAxis(x.axis).kind) - order.indexOf(splitAxis(y.axis).kind));
}

/** A recipe brings its own floor: that is no deviation of its own. */
function isRulesOwnFloor(convention: Convention, axis: string): boolean {
  const { operand, kind } = splitAxis(axis);
  if (kind !== 'floor') return false;
  const rule = quantizerRules.find(({ name }) => name === convention[`${operand}.recipe`]);
  return rule !== undefined && String(rule.floor) === convention[axis];
}

function axisDeviation(spec: Convention, convention: Convention, axis: string): Deviation {
  const { operand, kind } = splitAxis(axis);
  const title = `${operand === '' ? '' : `${operand} `}${titles[kind] ?? kind}`;
  const value = convention[axis]!;
  return {
    axis,
    axes: kind === 'recipe' && isRulesOwnFloor(convention, `${operand}.floor`) ? [axis, `${operand}.floor`] : [axis],
    title,
    value,
    words: valueWords(axis, value),
    spec: valueWords(axis, spec[axis]!),
    cost:
      kind === 'recipe'
        ? recipeCost(value, spec[axis]!, convention[`${operand}.tile`]!)
        : costOfAxis(axis, kind, value),
  };
}

function costOfAxis(axis: string, kind: string, value: string): number {
  if (kind === 'tile') return usualTiles.has(value) ? 1 : 1.2;
  // What the instruction does itself is no detour, as a dequantized copy is.
  if (kind === 'form' && value === 'scaled') return 1;
  if (axis === 'output' && !['toward-zero', 'via-bf16', 'via-f16'].includes(value)) return 2;
  if (axis === 'interval' && !['0', '32', '64', '128', '256', '512'].includes(value)) return 2;
  if (axis === 'combine' && value === 'f64') return 2;
  // A promotion that is left out takes one scale for the whole chain.
  if (axis === 'scales') return value === 'final' ? 1.5 : 0.8;
  return costs[kind] ?? 2;
}

/** A value of an axis that gemm and quantize share, in words. */
export function valueWords(axis: string, value: string): string {
  const { kind } = splitAxis(axis);
  if (kind === 'recipe') return quantizerRule(value).words;
  if (kind === 'amax') return amaxRules[value as keyof typeof amaxRules];
  if (kind === 'floor') return value.startsWith('+') ? `${value.slice(1)} added` : `at least ${value}`;
  return wordsOf(axis, value);
}

function modelDeviation(spec: Convention, convention: Convention): Deviation {
  const named = namedModels.find(({ move }) =>
    Object.entries(move).every(([axis, value]) => convention[axis] === value),
  );
  const steps = modelAxes.filter((axis) => convention[axis] !== spec[axis]).length;
  return {
    axis: 'model',
    axes: modelAxes,
    title: 'model',
    value: modelAxes.map((axis) => convention[axis]).join(' '),
    words: named?.words ?? modelWords(convention),
    spec: nameOfModel(spec),
    cost:
      named === undefined
        ? 2 + steps / 4 + (convention.step === 'f32-rne' ? 0.5 : 0)
        : named.cost + unlikely(named, convention),
  };
}

/** Models do the same on some inputs: the one that is made for the operands is named first, and of those the more usual one. */
function unlikely(model: NamedModel, convention: Convention): number {
  const codes = (form: string): boolean => form === 'quantized' || form === 'scaled';
  const operands = codes(convention['a.form']!) && codes(convention['b.form']!) ? 'codes' : 'wide';
  const fits = model.operands === undefined || model.operands === 'any' || model.operands === operands;
  return namedModels.indexOf(model) / 200 + (fits ? 0 : 0.6);
}

/** A model by its name, or by its parts. */
export function nameOfModel(convention: Convention): string {
  const named = namedModels.find(({ move }) =>
    Object.entries(move).every(([axis, value]) => convention[axis] === value),
  );
  return named?.words ?? modelWords(convention);
}

const stepWords: Readonly<Record<string, string>> = {
  e8m13: 'sums cut to 13 fraction bits',
  'f32-rz': 'sums truncated to f32',
  'f32-rne': 'sums rounded to f32',
  'f16-rne': 'sums rounded to f16',
};

function modelWords(convention: Convention): string {
  if (convention.model !== 'aligned') return `${convention.model}, k ${convention.order}`;
  const { fraction, terms, step, order, align, products, zeros } = convention;
  const parts = [`${fraction} fraction bits`, `sums of ${terms}`, stepWords[step!] ?? step!];
  if (order === 'p4') parts.push('k in pairs');
  if (order === 'descending') parts.push('k descending');
  if (align === 'floor') parts.push('terms aligned toward minus infinity');
  if (align === 'nearest') parts.push('terms aligned to nearest');
  if (products === 'normalized') parts.push('products renormalized');
  if (zeros === 'in') parts.push('zero products take part in the largest exponent');
  return `tensor core with ${parts.join(', ')}`;
}

function splitDeviation(convention: Convention, split: SplitWords): Deviation {
  const count = convention.split!;
  const { parts, requests } = split;
  const [kind, unit] = convention['split.cut']!.split('-');
  const ways: Readonly<Record<string, string>> = {
    ceil: `by whole ${unit} k`,
    balanced: `evenly, by ${unit} k`,
    interleaved: `taking turns by ${unit} k`,
  };
  const sums: Readonly<Record<string, string>> = {
    tree: ', summed by halves',
    pairs: ', summed in neighbouring pairs',
    descending: ', summed in descending order',
  };
  const partials = convention['split.partials'] === 'f32' ? '' : `, parts stored in ${convention['split.partials']}`;
  const add = convention['split.add'] === 'f32' ? '' : `, added in ${convention['split.add']}`;
  const order = sums[convention['split.sum']!] ?? '';
  const comes = requests.length > 1 ? ` (what a split of ${requests[0]} to ${requests.at(-1)} comes to)` : '';
  const odd =
    (kind === 'interleaved' ? 1 : kind === 'balanced' ? 0.1 : 0) +
    (order === '' ? 0 : 1) +
    (partials === '' ? 0 : 0.5) +
    (unit === '128' ? 0 : 0.25) +
    (add === '' ? 0 : 0.5);
  return {
    axis: 'split',
    axes: splitAxes,
    title: 'split-k',
    value: `${count} ${convention['split.cut']}`,
    words: `${parts} parts, ${ways[kind!]}${comes}${partials}${add}${order}`,
    spec: 'none',
    cost: 1 + odd + Number(count) / 100,
  };
}

/** What a split comes to: its parts, and the counts that ask for the same. */
export interface SplitWords {
  readonly parts: number;
  readonly requests: readonly number[];
}
