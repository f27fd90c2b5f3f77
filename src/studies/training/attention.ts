import { type Matrix, zeroMatrix } from './matrix.ts';
import type { Layout } from './simd.ts';

/** High-precision product of the precision at hand. */
export type Multiply = (a: Matrix, b: Matrix, layout: Layout) => Matrix;

/** Sequences of equal length, one after another, and the heads that the columns are cut into. */
export interface AttentionShape {
  readonly sequences: number;
  readonly heads: number;
}

/** How the operator computes: products, and the rounding of what would be written to memory. */
export interface AttentionArithmetic {
  readonly multiply: Multiply;
  round(x: Matrix): Matrix;
}

/** What the backward pass needs of one head of one sequence. */
interface Head {
  readonly q: Matrix;
  readonly k: Matrix;
  readonly v: Matrix;
  /** Probabilities [length, length], zero above the diagonal. */
  readonly p: Matrix;
}

/** What the forward pass keeps. */
export interface AttentionKept {
  readonly heads: readonly Head[];
}

/**
 * Causal multi-head attention with rotary positions. qkv [tokens, 3 * width]: queries, keys, values side by side.
 * Gives [tokens, width].
 */
export function attention(
  qkv: Matrix,
  shape: AttentionShape,
  { multiply, round }: AttentionArithmetic,
): { output: Matrix; kept: AttentionKept } {
  const output = zeroMatrix(qkv, qkv.rows, qkv.columns / 3);
  const heads: Head[] = [];
  forEachHead(qkv, shape, (place) => {
    const q = round(rotate(cut(qkv, place, 0), 1));
    const k = round(rotate(cut(qkv, place, 1), 1));
    const v = cut(qkv, place, 2);
    const p = round(causalSoftmax(multiply(q, k, 'nt'), q.columns));
    paste(multiply(p, v, 'nn'), output, place, 0);
    heads.push({ q, k, v, p });
  });
  return { output: round(output), kept: { heads } };
}

/**
 * Gradient of qkv. `output` is the forward result as it was kept: the row sums of dO * O come from it (V3 section 3.3.3 caches it in E5M6 for this).
 */
export function attentionBackward(
  kept: AttentionKept,
  output: Matrix,
  dOutput: Matrix,
  shape: AttentionShape,
  { multiply, round }: AttentionArithmetic,
): Matrix {
  const dQkv = zeroMatrix(dOutput, dOutput.rows, 3 * dOutput.columns);
  let index = 0;
  forEachHead(dQkv, shape, (place) => {
    const { q, k, v, p } = kept.heads[index++]!;
    const dO = cut(dOutput, place, 0);
    const dP = multiply(dO, v, 'nt');
    const dS = round(scoreGradient(p, dP, dO, cut(output, place, 0), q.columns));
    paste(rotate(multiply(dS, k, 'nn'), -1), dQkv, place, 0);
    paste(rotate(multiply(dS, q, 'tn'), -1), dQkv, place, 1);
    paste(multiply(p, dO, 'tn'), dQkv, place, 2);
  });
  return round(dQkv);
}

/** Where a head of a sequence lies in a [tokens, width] matrix. */
interface Place {
  readonly row: number;
  readonly rows: number;
  readonly column: number;
  readonly columns: number;
  /** Columns of all heads together. */
  readonly width: number;
}

function forEachHead(
  { rows, columns }: Matrix,
  { sequences, heads }: AttentionShape,
  visit: (place: Place) => void,
): void {
  const width = columns / 3;
  const length = rows / sequences;
  for (let sequence = 0; sequence < sequences; sequence++) {
    for (let head = 0; head < heads; head++) {
      visit({ row: sequence * length, rows: length, column: (head * width) / heads, columns: width / heads, width });
    }
  }
}

/** A head's part: `part` 0, 1, 2 for queries, keys, values. */
function cut(x: Matrix, { row, rows, column, columns, width }: Place, part: number): Matrix {
  const out = zeroMatrix(x, rows, columns);
  for (let i = 0; i < rows; i++) {
    const at = (row + i) * x.columns + part * width + column;
    out.values.set(x.values.subarray(at, at + columns), i * columns);
  }
  return out;
}

function paste(head: Matrix, to: Matrix, { row, column, width }: Place, part: number): void {
  for (let i = 0; i < head.rows; i++) {
    const at = (row + i) * to.columns + part * width + column;
    to.values.set(head.values.subarray(i * head.columns, (i + 1) * head.columns), at);
  }
}

/** Cosines and sines of every position and pair of columns, [rows][half][2]. */
const rotations = new Map<string, Float64Array>();

function rotation(rows: number, half: number): Float64Array {
  const key = `${rows} ${half}`;
  let table = rotations.get(key);
  if (table === undefined) {
    table = new Float64Array(2 * rows * half);
    for (let i = 0; i < rows * half; i++) {
      const angle = Math.floor(i / half) * 10_000 ** (-(i % half) / half);
      table[2 * i] = Math.cos(angle);
      table[2 * i + 1] = Math.sin(angle);
    }
    rotations.set(key, table);
  }
  return table;
}

/** Rotary positions (Su et al. 2021), base 10000, in place; `direction` -1 is the transposed rotation, for gradients. */
function rotate(x: Matrix, direction: 1 | -1): Matrix {
  const half = x.columns / 2;
  const table = rotation(x.rows, half);
  for (let i = 0; i < x.rows * half; i++) {
    const [cosine, sine] = [table[2 * i]!, direction * table[2 * i + 1]!];
    const at = Math.floor(i / half) * x.columns + (i % half);
    const [first, second] = [x.values[at]!, x.values[at + half]!];
    x.values[at] = first * cosine - second * sine;
    x.values[at + half] = first * sine + second * cosine;
  }
  return x;
}

/** Softmax of each row up to the diagonal, zero past it; scores are scaled by 1 / sqrt(head width) first. In place. */
function causalSoftmax(scores: Matrix, headWidth: number): Matrix {
  const { rows, columns, values } = scores;
  const scale = 1 / Math.sqrt(headWidth);
  for (let row = 0; row < rows; row++) {
    const at = row * columns;
    let largest = Number.NEGATIVE_INFINITY;
    for (let i = 0; i <= row; i++) largest = Math.max(largest, values[at + i]!);
    let sum = 0;
    for (let i = 0; i <= row; i++) {
      const weight = Math.exp((values[at + i]! - largest) * scale);
      values[at + i] = weight;
      sum += weight;
    }
    for (let i = 0; i <= row; i++) values[at + i] = values[at + i]! / sum;
    values.fill(0, at + row + 1, at + columns);
  }
  return scores;
}

/** Gradient of the scores before their scaling, from that of the probabilities: p * (dP - sum(dO * O)) / sqrt(head width). */
function scoreGradient(p: Matrix, dP: Matrix, dO: Matrix, o: Matrix, headWidth: number): Matrix {
  const scale = 1 / Math.sqrt(headWidth);
  const { rows, columns } = p;
  for (let row = 0; row < rows; row++) {
    let pull = 0;
    for (let i = row * o.columns; i < (row + 1) * o.columns; i++) pull += dO.values[i]! * o.values[i]!;
    for (let i = 0; i < columns; i++) {
      const at = row * columns + i;
      dP.values[at] = p.values[at]! * (dP.values[at]! - pull) * scale;
    }
  }
  return dP;
}
