import { expBits } from '../../numerics/exp.ts';
import { bitsOf, fromBits } from '../../numerics/f32.ts';
import type { FormatName } from '../../numerics/formats.ts';
import { dtypeOfFormat } from '../../tensors/tensor.ts';
import type { CodeValue } from '../compare.ts';
import { formatCode, formatValue, laneReader } from '../lanes.ts';

/** How the bits of a quantity are read: a number of a format, or a 32-bit integer. */
export type NumberFormat = FormatName | 'i32';

/** A named number of a derivation: its bits in its format, and what they are worth. */
export interface Quantity extends CodeValue {
  readonly name: string;
  readonly format: NumberFormat;
}

/** One operation: its formula in field terms, what went in, what came out. */
export interface Operation {
  readonly kind: 'operation';
  readonly operation:
    | 'read'
    | 'amax'
    | 'divide'
    | 'multiply'
    | 'add'
    | 'fma'
    | 'max'
    | 'shift'
    | 'round-up'
    | 'encode'
    | 'decode'
    | 'sigmoid'
    | 'count'
    | 'place'
    | 'exp'
    | 'score';
  readonly formula: string;
  readonly operands: readonly Quantity[];
  readonly result: Quantity;
  /** What decided the outcome, in words. */
  readonly note?: string;
}

/** One product of a sum. */
export interface Term {
  readonly k: number;
  readonly a: CodeValue;
  readonly b: CodeValue;
  /** The exact product; NaN and Inf by IEEE rules. */
  readonly product: string;
  /** `aligned` only: exponent of the product, not renormalized; absent for zero products, which take no part. */
  readonly exponent?: number;
  /** `aligned` only: the product in units of the sum's last kept bit, truncated toward zero. */
  readonly aligned?: number;
  /** `aligned` only: what truncation cut off, as a value; absent where nothing was. */
  readonly cut?: string;
  /** `sequential` only: the accumulator after this term. */
  readonly sum?: CodeValue;
}

/** A sum of products: one fused step of an aligned model, a whole block of the exact model, or a chain of fma. */
export interface Sum {
  readonly kind: 'sum';
  readonly model: 'aligned' | 'exact' | 'sequential';
  /** The running sum that goes in. */
  readonly accumulator: Quantity;
  /** `aligned` only: the accumulator in units of the last kept bit, and what was cut off it. */
  readonly accumulatorAligned?: number;
  readonly accumulatorCut?: string;
  readonly terms: readonly Term[];
  /** `aligned` only: the largest exponent, and the exponent of the last kept bit. */
  readonly largestExponent?: number;
  readonly lastExponent?: number;
  /** `aligned` only: the sum in units of the last kept bit. */
  readonly total?: number;
  readonly result: Quantity;
  readonly note?: string;
}

/** A step of a derivation. */
export type TraceStep = Operation | Sum;

/** Steps that belong together: a tile's scale, one k-block. */
export interface TraceSection {
  readonly title: string;
  /** A sentence that sets the scene. */
  readonly text?: string;
  readonly steps: readonly TraceStep[];
}

/** How one element of a result came about, every operation written out. Plain data, fit for JSON. */
export interface Trace {
  readonly spec: string;
  readonly kernel: string;
  readonly tensor: string;
  readonly coordinates: readonly number[];
  readonly sections: readonly TraceSection[];
  /** The element, as the reference has it. */
  readonly result: Quantity;
}

/** A number in a format. */
export function quantity(name: string, code: number, format: NumberFormat): Quantity {
  return { name, format, ...codeValue(code, format) };
}

/** Bits and value of a code. */
export function codeValue(code: number, format: NumberFormat): CodeValue {
  const dtype = format === 'i32' ? 'I32' : dtypeOfFormat[format];
  return { code: formatCode(code, dtype), value: formatValue(laneReader(dtype).value(code)) };
}

/** A 32-bit integer; -1 may come as its lane. */
export const i32 = (name: string, value: number): Quantity => quantity(name, value >>> 0, 'i32');

/** An f32 by its bits. */
export const f32 = (name: string, bits: number): Quantity => quantity(name, bits, 'f32');

/** An f32 by its value. */
export const f32Value = (name: string, value: number): Quantity => f32(name, bitsOf(value));

/** The bits of a quantity. */
export const codeOf = (x: Quantity): number => Number(x.code);

/** The value of an f32 quantity. */
export const numberOf = (x: Quantity): number => fromBits(codeOf(x));

/** Collects the steps of a section; each method does its operation, writes it down and gives the result. */
export class Recorder {
  readonly steps: TraceStep[] = [];

  /** Writes an operation down and gives its result on. */
  record(
    operation: Operation['operation'],
    formula: string,
    operands: readonly Quantity[],
    result: Quantity,
    note?: string,
  ): Quantity {
    const step: Operation = { kind: 'operation', operation, formula, operands, result };
    this.steps.push(note === undefined ? step : { ...step, note });
    return result;
  }

  divide(name: string, a: Quantity, b: Quantity, note?: string): Quantity {
    const result = f32Value(name, numberOf(a) / numberOf(b));
    return this.record('divide', `fl(${a.name} / ${b.name})`, [a, b], result, note);
  }

  subtract(name: string, a: Quantity, b: Quantity, note?: string): Quantity {
    const result = f32Value(name, numberOf(a) - numberOf(b));
    return this.record('add', `fl(${a.name} - ${b.name})`, [a, b], result, note);
  }

  exponential(name: string, x: Quantity, note?: string): Quantity {
    return this.record('exp', `exp(${x.name})`, [x], f32(name, expBits(codeOf(x))), note);
  }

  multiply(name: string, a: Quantity, b: Quantity, note?: string): Quantity {
    const result = f32Value(name, numberOf(a) * numberOf(b));
    return this.record('multiply', `fl(${a.name} * ${b.name})`, [a, b], result, note);
  }

  section(title: string, text?: string): TraceSection {
    return text === undefined ? { title, steps: this.steps } : { title, text, steps: this.steps };
  }
}
