import type { TensorCoreModel } from '../../../numerics/arithmetic.ts';
import { encodeBits } from '../../../numerics/codec.ts';
import { bitsOf } from '../../../numerics/f32.ts';
import { formats } from '../../../numerics/formats.ts';
import { operandTable, stepIndices } from '../../../numerics/tensor-core.ts';
import { formatCode, formatValue, laneReader, ulpDistance } from '../../../parity/lanes.ts';
import { traceBlock } from '../../../parity/trace/product.ts';
import type { Sum } from '../../../parity/trace/steps.ts';
import { modelPresets } from '../../../specs/presets.ts';
import { generate } from '../../../tensors/generate.ts';

/** Products of one dot product. */
export const terms = 32;

/** Ways to choose the operands. */
export type Operands = 'normal' | 'spread' | 'one-large' | 'cancel' | 'custom';

/** Codes of a and b, e4m3, 32 each. */
export interface Pair {
  readonly a: Uint8Array;
  readonly b: Uint8Array;
}

const e4m3 = formats.e4m3;

/** The e4m3 code of a value. */
export const codeOf = (x: number): number => encodeBits(bitsOf(Math.fround(x)), e4m3, 'nearest-even', 'saturate');

function normal(seed: number, exponent: number): Float32Array {
  const input = { generate: 'normal', seed, dtype: 'f32', exponent, share: 0, factorExponent: 0 } as const;
  return new Float32Array(Uint32Array.from(generate(input, [terms]).codes).buffer);
}

/** Operands that show something, by name. */
export function operandsOf(kind: Exclude<Operands, 'custom'>, seed: number): Pair {
  const a = normal(2 * seed + 11, 2);
  const b = normal(2 * seed + 12, 2);
  const shaped = (shape: (x: number, i: number, of: 'a' | 'b') => number): Pair => ({
    a: Uint8Array.from(a, (x, i) => codeOf(shape(x, i, 'a'))),
    b: Uint8Array.from(b, (x, i) => codeOf(shape(x, i, 'b'))),
  });
  switch (kind) {
    case 'normal':
      return shaped((x) => x);
    case 'spread':
      // Magnitudes fall by half every other term: from the largest products down to those that vanish.
      return shaped((x, i) => Math.sign(x || 1) * (1 + Math.abs(x) / 8) * 2 ** (4 - i / 3));
    case 'one-large':
      return shaped((x, i) => (i === 5 ? 240 : x / 4));
    case 'cancel':
      // Pairs of opposite sign: what is left of the sum is what was cut off.
      return {
        a: Uint8Array.from(a, (_, i) => codeOf((i % 2 === 0 ? 1 : -1) * (Math.abs(a[i & ~1]!) + 8))),
        b: Uint8Array.from(b, (_, i) => codeOf(Math.abs(b[i & ~1]!) + 8 + (i % 2) / 2)),
      };
  }
}

/** Models that the page compares, and what each stands for. */
export const comparedModels = {
  'hopper-wgmma-fp8': 'Hopper (H100, H800)',
  'ada-mma-fp8': 'Ada (L40S, RTX 40)',
  'blackwell-fp8': 'Blackwell (B200)',
  'hopper-mma-sync-fp8': 'Hopper, older mma.sync',
  'f32-sequential': 'f32, one fma a term',
  exact: 'exact, rounded once',
} as const satisfies Partial<Record<keyof typeof modelPresets, string>>;

export type ComparedModel = keyof typeof comparedModels;

/** A dot product by one model. */
export interface ModelSum {
  readonly name: ComparedModel;
  readonly text: string;
  readonly value: number;
  readonly hex: string;
  /** ULP (of f32) from the exact sum; undefined for NaN. */
  readonly ulps: number | undefined;
  /** Error over the exact sum; infinite where that is zero and this is not, NaN where either is. */
  readonly relative: number;
  /** Terms that lost bits. */
  readonly cut: number;
  readonly steps: readonly Sum[];
}

function sumBy(name: ComparedModel, { a, b }: Pair, exact: number): ModelSum {
  const model: TensorCoreModel = modelPresets[name];
  const { steps, partial } = traceBlock(model, { a, b, formats: ['e4m3', 'e4m3'] }, 0, terms);
  const sums = steps as Sum[];
  const code = Number(partial.code);
  const value = laneReader('F32').value(code);
  const cut = sums.reduce((count, step) => count + step.terms.filter((term) => term.cut !== undefined).length, 0);
  return {
    name,
    text: comparedModels[name],
    value,
    hex: formatCode(code, 'F32'),
    ulps: ulpDistance(laneReader('F32'), bitsOf(exact), code),
    relative: value === exact ? 0 : Math.abs((value - exact) / exact),
    cut,
    steps: sums,
  };
}

/** The dot product by every model, the exact one last. */
export function sumsOf(pair: Pair): ModelSum[] {
  const exact = laneReader('F32').value(
    Number(traceBlock(modelPresets.exact, { ...pair, formats: ['e4m3', 'e4m3'] }, 0, terms).partial.code),
  );
  return (Object.keys(comparedModels) as ComparedModel[]).map((name) => sumBy(name, pair, exact));
}

/** One row of the alignment picture: a product's bits by the power of two they stand for. */
export interface BitRow {
  readonly k: number | 'C';
  readonly text: string;
  readonly negative: boolean;
  /** Exponents of the bits shown, highest first; `set` where the bit is one, `cut` where it lies below what is kept. */
  readonly bits: readonly { readonly exponent: number; readonly set: boolean; readonly cut: boolean }[];
  /** What was cut off, as a value. */
  readonly lost: string | undefined;
}

/** The products of one fused step, aligned. */
export interface Alignment {
  readonly rows: readonly BitRow[];
  readonly largestExponent: number;
  readonly lastExponent: number;
  /** Highest and lowest power of two in the picture. */
  readonly top: number;
  readonly bottom: number;
}

/** The aligned bits of a step of an `aligned` model; undefined where a special value decided or nothing took part. */
export function alignmentOf(step: Sum, { a, b }: Pair): Alignment | undefined {
  const { largestExponent, lastExponent } = step;
  if (largestExponent === undefined || lastExponent === undefined) return undefined;
  const table = operandTable('e4m3');
  const rows = step.terms.map((term): BitRow => {
    const [x, y] = [a[term.k]!, b[term.k]!];
    const product = table.significand[x]! * table.significand[y]!;
    // Each significand has 3 fraction bits, so the product's last bit stands for 2^(ea + eb - 6).
    const unit = table.exponent[x]! + table.exponent[y]! - 2 * table.fractionBits;
    return {
      k: term.k,
      text: `${short(table.value[x]!)} × ${short(table.value[y]!)}`,
      negative: product < 0,
      bits: product === 0 ? [] : bitsFrom(Math.abs(product), unit, lastExponent),
      lost: term.cut,
    };
  });
  const c = Number(step.accumulator.value);
  if (c !== 0) rows.unshift(accumulatorRow(c, lastExponent, step.accumulatorCut));
  const exponents = rows.flatMap(({ bits }) => bits.map(({ exponent }) => exponent));
  const top = Math.max(...exponents, largestExponent);
  return { rows, largestExponent, lastExponent, top, bottom: Math.max(Math.min(...exponents, lastExponent), top - 34) };
}

/** At most four digits: the exact values stand in the fields below the picture. */
const short = (value: number): string => formatValue(Number(value.toPrecision(4)));

function bitsFrom(magnitude: number, unit: number, lastExponent: number): BitRow['bits'] {
  const count = 32 - Math.clz32(magnitude);
  return Array.from({ length: count }, (_, i) => {
    const place = count - 1 - i;
    return {
      exponent: unit + place,
      set: Math.floor(magnitude / 2 ** place) % 2 === 1,
      cut: unit + place < lastExponent,
    };
  });
}

function accumulatorRow(c: number, lastExponent: number, lost: string | undefined): BitRow {
  const magnitude = Math.abs(c);
  const exponent = Math.floor(Math.log2(magnitude));
  const significand = magnitude * 2 ** (23 - exponent);
  const all = bitsFrom(significand, exponent - 23, lastExponent);
  const used = all.slice(0, Math.max(all.findLastIndex(({ set }) => set) + 1, 1));
  return { k: 'C', text: `running sum ${formatValue(c)}`, negative: c < 0, bits: used, lost };
}

/** How many fused steps a model takes for the dot product. */
export const stepsOf = (name: ComparedModel): number => {
  const model: TensorCoreModel = modelPresets[name];
  return model.kind === 'aligned' ? stepIndices(model, terms).length : 1;
};
