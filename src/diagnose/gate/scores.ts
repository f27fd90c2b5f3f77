import { scoresOf } from '../../kernels/gate/scores.ts';
import { bitsOf, fromBits } from '../../numerics/f32.ts';
import type { GateScore } from '../../specs/gate-presets.ts';
import { roundTo } from '../gemm/sums.ts';

/** Rounds a number after an operation: to f32, or not at all. */
export type Round = (x: number) => number;

/** Scores of a token's logits (f32 values) as a library of some precision computes them. */
export type Scores = (score: string, logits: readonly number[]) => number[];

interface Precision {
  /** What sums, products and quotients of scores are rounded to. */
  readonly round: Round;
  readonly scores: Scores;
}

const whole: Round = (x) => x;

const pinned: Scores = (score, logits) =>
  Array.from(scoresOf(score as GateScore, Uint32Array.from(logits, bitsOf)), fromBits);

/** Scores with every operation rounded by `round`. */
function stepwise(round: Round): Scores {
  const exp = (x: number): number => round(Math.exp(x));
  return (score, logits) => {
    if (score === 'logit') return [...logits];
    if (score === 'sigmoid') return logits.map((x) => round(1 / round(1 + exp(-x))));
    if (score === 'softmax') {
      const largest = Math.max(...logits);
      const shares = logits.map((x) => exp(round(x - largest)));
      const sum = shares.reduce((total, x) => round(total + x), 0);
      return shares.map((x) => round(x / sum));
    }
    return logits.map((x) => round(Math.sqrt(x > 20 ? x : round(Math.log1p(exp(x))))));
  };
}

const doubles = stepwise(whole);

/** Precisions of scores: the contract's own, and what libraries do. */
export const precisions: Readonly<Record<string, Precision>> = {
  pinned: { round: Math.fround, scores: pinned },
  rounded: { round: Math.fround, scores: (score, logits) => doubles(score, logits).map(Math.fround) },
  steps: { round: Math.fround, scores: stepwise(Math.fround) },
  f64: { round: whole, scores: doubles },
  bf16: { round: Math.fround, scores: (score, logits) => pinned(score, logits).map((x) => roundTo(x, 'bf16')) },
};
