import { mulHigh, philoxWord, streams } from '../numerics/philox.ts';
import { elementCount, type Tensor } from './tensor.ts';

/**
 * Experts of tokens, [tokens, slots]: distinct in a row, -1 where there is none. An element depends on the seed and its row alone; see
 * docs/numerics.md, "Integers".
 */
export interface RoutingInput {
  readonly generate: 'routing';
  /** Philox key, an unsigned 32-bit integer. */
  readonly seed: number;
  readonly dtype: 'i32';
  /** Experts there are. */
  readonly experts: number;
  /** Experts 0 to used - 1 alone are chosen: the others stay empty, and slots past `used` are -1. */
  readonly used: number;
  /** 0 chooses evenly; more prefers low experts: the least of skew + 1 draws. */
  readonly skew: number;
  /** Share of tokens that go nowhere, 0..1. */
  readonly maskedTokens: number;
  /** Share of single slots that go nowhere, 0..1. */
  readonly maskedSlots: number;
}

/** Ones, and zeros for a share of the elements. */
export interface MaskInput {
  readonly generate: 'mask';
  readonly seed: number;
  readonly dtype: 'i32';
  /** Share of zeros, 0..1. */
  readonly share: number;
}

/** Even draws of 0 to below - 1. */
export interface CountsInput {
  readonly generate: 'integers';
  readonly seed: number;
  readonly dtype: 'i32';
  /** All are less than this; at least 1. */
  readonly below: number;
}

/** Integers that are known: those that follow from other fields of a spec. */
export interface ValuesInput {
  readonly generate: 'values';
  readonly dtype: 'i32';
  readonly values: readonly number[];
}

/** A generated tensor of integers. */
export type IntegerInput = RoutingInput | MaskInput | CountsInput | ValuesInput;

/** Lane of a slot or row that goes nowhere: -1. */
export const nowhere = 0xffffffff;

/** The I32 tensor that a generated input stands for; the last extent counts as columns, the others as rows (of one column where there is one alone). */
export function generateIntegers(input: IntegerInput, shape: readonly number[]): Tensor {
  const codes = new Uint32Array(elementCount(shape));
  switch (input.generate) {
    case 'routing':
      fillRouting(input, shape.length > 1 ? shape.at(-1)! : 1, codes);
      break;
    case 'mask':
      for (let i = 0; i < codes.length; i++) codes[i] = falls(input.share, input.seed, i, streams.outliers) ? 0 : 1;
      break;
    case 'values':
      codes.set(input.values);
      break;
    case 'integers':
      for (let i = 0; i < codes.length; i++) {
        codes[i] = mulHigh(philoxWord(input.seed, i, streams.values), input.below);
      }
      break;
  }
  return { dtype: 'I32', shape, codes };
}

/** Whether the word of an element falls in the share that is masked. */
function falls(share: number, seed: number, index: number, stream: number): boolean {
  return philoxWord(seed, index, stream) < share * 2 ** 32;
}

function fillRouting(input: RoutingInput, slots: number, codes: Uint32Array): void {
  const { seed, used, skew, maskedTokens, maskedSlots } = input;
  for (let first = 0; first < codes.length; first += slots) {
    const row = codes.subarray(first, first + slots).fill(nowhere);
    if (falls(maskedTokens, seed, first / slots, streams.outliers)) continue;
    const taken: number[] = [];
    for (let slot = 0; slot < Math.min(slots, used); slot++) {
      row[slot] = take(mulHigh(leastWord(seed, first + slot, skew), used - slot), taken);
    }
    for (let slot = 0; slot < slots; slot++) {
      if (falls(maskedSlots, seed, first + slot, streams.maskedSlots)) row[slot] = nowhere;
    }
  }
}

/** The least of an element's skew + 1 words. */
function leastWord(seed: number, index: number, skew: number): number {
  let least = philoxWord(seed, index, streams.routing);
  for (let draw = 1; draw <= skew; draw++) least = Math.min(least, philoxWord(seed, index, streams.routing + draw));
  return least;
}

/** The expert with `rank` smaller ones that are not taken; enters it into `taken`, which is ascending. */
function take(rank: number, taken: number[]): number {
  let expert = rank;
  let at = 0;
  for (; at < taken.length && taken[at]! <= expert; at++) expert++;
  taken.splice(at, 0, expert);
  return expert;
}
