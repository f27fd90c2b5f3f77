import type { InputKind } from './inputs.ts';

/** What an operation computes from x, y, z (f32 values) and p, q, r (the same lanes as u32 bits). */
export type Meaning = (x: number, y: number, z: number, p: number, q: number, r: number) => number | boolean;

/** One line of the card: a WGSL expression, its inputs, and the meanings that an adapter may give it. */
export interface Row {
  /** WGSL, over the f32 x, y, z and the u32 p, q, r. It is also the row's name. */
  readonly wgsl: string;
  /** Type of the expression. */
  readonly type: 'f32' | 'bool' | 'u32' | 'i32';
  /** Generated inputs, or lanes written out as u32 bits: [p, q, r] each. */
  readonly inputs: InputKind | readonly (readonly number[])[];
  /** Meanings with their names; the first is what IEEE 754 (or integer arithmetic) says. */
  readonly answers: readonly (readonly [name: string, meaning: Meaning])[];
}

/** Rows that are compiled together. */
export interface Group {
  readonly name: string;
  readonly rows: readonly Row[];
}
