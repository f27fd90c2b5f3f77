import type { Codes } from '../tensors/tensor.ts';

/**
 * What a kernel may have done, axis by axis: `{ model: 'aligned', fraction: '13', combine: 'a-then-b', ... }`. Plain strings, so that a
 * convention is its own identity, its own JSON, and can be changed one axis at a time.
 */
export type Convention = Readonly<Record<string, string>>;

/** A change of some axes of a convention. */
export type Move = Readonly<Record<string, string>>;

/** An axis on which a convention leaves the spec. */
export interface Deviation {
  readonly axis: string;
  /** Every axis that takes part in it. */
  readonly axes: readonly string[];
  /** The axis in the field's words: `promotion`. */
  readonly title: string;
  readonly value: string;
  /** What was done: `never, one chain over the whole k`. */
  readonly words: string;
  /** What the spec says. */
  readonly spec: string;
  /** How far-fetched it is: 1 for a published convention, more for the odd ones and for faults. */
  readonly cost: number;
}

/** One tensor of a result, laid over part of the elements of a {@link Problem}. */
export interface ResultPart {
  readonly name: string;
  /** First element of the part. */
  readonly start: number;
  readonly shape: readonly number[];
  readonly actual: Codes;
  /** Bits of the difference of two codes that a reader must be told; 0 where they are equal. */
  distance(expected: number, actual: number): number;
  /** Bits of a code. */
  readonly bits: number;
}

/** A spec with somebody's result: everything the search needs to know, and nothing of what is searched. */
export interface Problem {
  /** What the spec says, every axis. */
  readonly spec: Convention;
  /** Where the search begins, as changes of the spec's convention. */
  readonly starts: readonly Move[];
  /** Moves tried together, the cheap and likely groups in the first tier. */
  readonly tiers: readonly (readonly (readonly Move[])[])[];
  /** Every change moves every element a little, whether it explains anything or not. */
  readonly noisy?: boolean;
  /** Moves of last resort: they explain part of a result by itself, so they are tried where all else leaves something over. */
  readonly resort?: readonly Move[];
  readonly parts: readonly ResultPart[];
  /** Elements of all parts. */
  readonly count: number;
  /** Elements that the search looks at: a handful, more and more, and all that it looks at before it confirms. */
  readonly sets: readonly [Int32Array, Int32Array, Int32Array, Int32Array];
  /** Elements on which candidates are confirmed: all, or a sample where all would take too long. */
  readonly confirmed: Int32Array;
  /** The same convention with axes that have no effect put back to the spec's. */
  canonical(convention: Convention): Convention;
  /** Codes at the given elements, ascending. */
  predict(convention: Convention, elements: Int32Array): Uint32Array;
  /** Where a convention leaves the spec, the weightiest first. */
  describe(convention: Convention): readonly Deviation[];
  /** One element worked out block by block, where the kernel has blocks. */
  workings?(convention: Convention, element: number): Workings;
}

/** One element block by block. Values are told as decimals that read back as the same f32. */
export interface Workings {
  readonly blocks: readonly {
    /** `0-127`. */
    readonly k: string;
    readonly partial: string;
    readonly sa: string;
    readonly sb: string;
    readonly sum: string;
  }[];
  readonly code: number;
}

/** A convention's identity: conventions of one problem have the same axes in the same order. */
export function keyOf(convention: Convention): string {
  let key = '';
  for (const axis in convention) key += `${axis}=${convention[axis]} `;
  return key;
}

/** How far-fetched a convention is, against the spec. */
export function costOf(problem: Problem, convention: Convention): number {
  return problem.describe(convention).reduce((sum, { cost }) => sum + cost, 0);
}

/** Every pairing of two lists of moves. */
export function pairs(left: readonly Move[], right: readonly Move[]): Move[] {
  return left.flatMap((a) => right.map((b) => ({ ...a, ...b })));
}

/** Moves that set one axis. */
export function along(axis: string, values: readonly string[]): Move[] {
  return values.map((value) => ({ [axis]: value }));
}
