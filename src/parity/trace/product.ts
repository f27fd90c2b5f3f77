import type { Arithmetic, TensorCoreModel } from '../../numerics/arithmetic.ts';
import { bitsOf, fmaF32 } from '../../numerics/f32.ts';
import type { FormatName } from '../../numerics/formats.ts';
import { operandTable, roundStep, stepIndices } from '../../numerics/tensor-core.ts';
import { formatValue } from '../lanes.ts';
import {
  codeValue,
  f32Value,
  numberOf,
  type Quantity,
  type Recorder,
  type Sum,
  type Term,
  type TraceStep,
} from './steps.ts';

/** Codes of one row of A and one row of B, in k order, and their formats. */
export interface Rows {
  readonly a: ArrayLike<number>;
  readonly b: ArrayLike<number>;
  readonly formats: readonly [a: FormatName, b: FormatName];
}

/** Sums the products of k in [start, start + count) as the model does, term by term. The same bits as `blockSum`. */
export function traceBlock(
  model: TensorCoreModel,
  rows: Rows,
  start: number,
  count: number,
): { steps: TraceStep[]; partial: Quantity } {
  if (model.kind !== 'aligned') {
    const step = model.kind === 'exact' ? exactSum(rows, start, count) : sequentialSum(rows, start, count);
    return { steps: [step], partial: step.result };
  }
  const steps: TraceStep[] = [];
  let partial = f32Value('C', 0);
  const groups = stepIndices(model, count);
  for (const [i, group] of groups.entries()) {
    const indices = Array.from(group, (k) => start + k);
    const step = alignedSum(model, rows, indices, partial);
    partial = { ...step.result, name: i === groups.length - 1 ? 'partial' : 'C' };
    steps.push({ ...step, result: partial });
  }
  return { steps, partial };
}

interface Product {
  readonly k: number;
  readonly a: number;
  readonly b: number;
  readonly value: number;
  /** Exponent of the product by the operands' own exponents, not renormalized. */
  readonly exponent: number;
}

function products({ a, b, formats }: Rows, indices: readonly number[]): Product[] {
  const left = operandTable(formats[0]);
  const right = operandTable(formats[1]);
  return indices.map((k) => {
    const [x, y] = [a[k]!, b[k]!];
    return { k, a: x, b: y, value: left.value[x]! * right.value[y]!, exponent: left.exponent[x]! + right.exponent[y]! };
  });
}

function term(rows: Rows, product: Product): Term {
  return {
    k: product.k,
    a: codeValue(product.a, rows.formats[0]),
    b: codeValue(product.b, rows.formats[1]),
    product: formatExact(product.value),
  };
}

const range = (start: number, count: number): number[] => Array.from({ length: count }, (_, i) => start + i);

function alignedSum(model: TensorCoreModel, rows: Rows, indices: readonly number[], accumulator: Quantity): Sum {
  const all = products(rows, indices);
  const c = numberOf(accumulator);
  const special = specialSum(all, c);
  const base = { kind: 'sum', model: 'aligned', accumulator } as const;
  if (special !== undefined) {
    const note = 'a NaN or Inf takes part: the sum is what IEEE addition of those terms gives';
    return { ...base, terms: all.map((product) => term(rows, product)), result: f32Value('sum', special), note };
  }
  const exponents = all.filter((product) => product.value !== 0).map((product) => product.exponent);
  if (c !== 0) exponents.push(accumulatorExponent(c));
  if (exponents.length === 0) {
    return {
      ...base,
      terms: all.map((product) => term(rows, product)),
      result: f32Value('sum', 0),
      note: 'an empty sum is +0',
    };
  }
  const largestExponent = Math.max(...exponents);
  const lastExponent = largestExponent - model.fractionBits;
  const terms = all.map((product) => alignedTerm(rows, product, lastExponent));
  const accumulatorAligned = align(c, lastExponent);
  const total = terms.reduce((sum, { aligned = 0 }) => sum + aligned, accumulatorAligned);
  const value = roundStep(total, lastExponent, model.output);
  return {
    ...base,
    terms,
    accumulatorAligned,
    ...cutOf('accumulatorCut', c, accumulatorAligned, lastExponent),
    largestExponent,
    lastExponent,
    total,
    result: f32Value('sum', value),
    note: outputNote(model, total * 2 ** lastExponent, value),
  };
}

/** Exponent that an f32 accumulator is aligned by; subnormals have that of the least normal. */
function accumulatorExponent(c: number): number {
  return Math.max((bitsOf(c) >>> 23) & 0xff, 1) - 127;
}

const align = (value: number, lastExponent: number): number => Math.trunc(value / 2 ** lastExponent) + 0;

function cutOf<Name extends string>(
  name: Name,
  value: number,
  aligned: number,
  lastExponent: number,
): { [key in Name]?: string } {
  const cut = value - aligned * 2 ** lastExponent;
  return cut === 0 ? {} : ({ [name]: formatExact(cut) } as { [key in Name]?: string });
}

function alignedTerm(rows: Rows, product: Product, lastExponent: number): Term {
  const plain = term(rows, product);
  if (product.value === 0) return plain;
  const aligned = align(product.value, lastExponent);
  return { ...plain, exponent: product.exponent, aligned, ...cutOf('cut', product.value, aligned, lastExponent) };
}

function specialSum(all: readonly Product[], c: number): number | undefined {
  const special = all.map((product) => product.value).filter((value) => !Number.isFinite(value));
  if (!Number.isFinite(c)) special.unshift(c);
  return special.length === 0 ? undefined : special.reduce((sum, value) => sum + value);
}

const outputWords: Readonly<Record<TensorCoreModel['output'], string>> = {
  e8m13: 'truncated to 13 fraction bits',
  'f32-rz': 'truncated to f32',
  'f32-rne': 'rounded to f32, nearest even',
  'f16-rne': 'rounded to f16, nearest even',
};

function outputNote(model: TensorCoreModel, sum: number, value: number): string {
  const words = outputWords[model.output];
  return sum === value ? `${words}: no bit lost` : `${words}: ${formatExact(sum)} gives ${formatValue(value)}`;
}

function exactSum(rows: Rows, start: number, count: number): Sum {
  const all = products(rows, range(start, count));
  const special = specialSum(all, 0);
  const value = special ?? exactRounded(all.map((product) => product.value));
  return {
    kind: 'sum',
    model: 'exact',
    accumulator: f32Value('C', 0),
    terms: all.map((product) => term(rows, product)),
    result: f32Value('partial', value),
    note: special === undefined ? 'all products summed exactly, then rounded once' : 'a NaN or Inf takes part',
  };
}

/** Sum of doubles rounded once to f32: in integers of the least product's last bit. */
function exactRounded(values: readonly number[]): number {
  const nonzero = values.filter((value) => value !== 0);
  if (nonzero.length === 0) return 0;
  const last = Math.min(...nonzero.map(lastBit));
  const sum = nonzero.reduce((total, value) => total + scaledInteger(value, last), 0n);
  const magnitude = sum < 0n ? -sum : sum;
  const spare = Math.max(magnitude.toString(2).length - 50, 0);
  const kept = magnitude >> BigInt(spare);
  const sticky = kept << BigInt(spare) === magnitude ? 0n : 1n;
  const rounded = roundStep(Number(kept | sticky), last + spare, 'f32-rne');
  return sum < 0n ? -rounded + 0 : rounded;
}

/** Exponent of the last set bit of a product of two codes. */
function lastBit(value: number): number {
  let exponent = Math.floor(Math.log2(Math.abs(value))) - 53;
  while (Number.isInteger(value / 2 ** (exponent + 1))) exponent++;
  return exponent;
}

function scaledInteger(value: number, last: number): bigint {
  // A product has at most 22 significant bits; its exponent may lie far above `last`.
  const own = lastBit(value);
  return BigInt(value / 2 ** own) << BigInt(own - last);
}

function sequentialSum(rows: Rows, start: number, count: number): Sum {
  let sum = 0;
  const left = operandTable(rows.formats[0]);
  const right = operandTable(rows.formats[1]);
  const terms = products(rows, range(start, count)).map((product) => {
    sum = fmaF32(left.value[product.a]!, right.value[product.b]!, sum);
    return { ...term(rows, product), sum: codeValue(bitsOf(sum), 'f32') };
  });
  const accumulator = f32Value('C', 0);
  return {
    kind: 'sum',
    model: 'sequential',
    accumulator,
    terms,
    result: f32Value('partial', sum),
    note: 'one fma a term, k ascending',
  };
}

/** A partial sum and its two scales enter the accumulator: docs/numerics.md, "Products". The same bits as `promote`. */
export function tracePromotion(
  recorder: Recorder,
  arithmetic: Arithmetic,
  accumulator: Quantity,
  partial: Quantity,
  sa: Quantity,
  sb: Quantity,
): Quantity {
  const { combine } = arithmetic;
  const [first, second] =
    combine === 'scales-first'
      ? [recorder.multiply('s', sa, sb), partial]
      : combine === 'a-then-b'
        ? [recorder.multiply('p', partial, sa), sb]
        : [recorder.multiply('p', partial, sb), sa];
  if (arithmetic.promote === 'fused') {
    const result = f32Value('acc', fmaF32(numberOf(first), numberOf(second), numberOf(accumulator)));
    return recorder.record('fma', `fma(${first.name}, ${second.name}, acc)`, [first, second, accumulator], result);
  }
  const product = recorder.multiply('q', first, second);
  return add(recorder, 'acc', accumulator, product);
}

/** fl(a + b), written down. */
export function add(recorder: Recorder, name: string, a: Quantity, b: Quantity): Quantity {
  return recorder.record('add', `fl(${a.name} + ${b.name})`, [a, b], f32Value(name, numberOf(a) + numberOf(b)));
}

/** An exact binary value in decimal: in full where that is short, else to 9 digits. */
function formatExact(value: number): string {
  if (Math.fround(value) === value || !Number.isFinite(value)) return formatValue(value);
  return String(Number(value.toPrecision(12))).replace('e+', 'e');
}
