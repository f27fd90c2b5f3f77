import { expBits, sigmoidBits, softplusBits, sqrtBits } from '../../numerics/exp.ts';
import { addBits, bitsOf, divBits, fromBits, NAN_BITS } from '../../numerics/f32.ts';
import type { GateScore } from '../../specs/gate-presets.ts';
import { keyOf, NAN_KEY } from './order.ts';

/** Exponentials in a softmax's sum are whole multiples of this: a sum of integers has no order. */
const softmaxUnit = 2 ** -36;

/** What a softmax over some logits needs of them: the largest, and the sum of the exponentials, as f32 bits. */
export interface SoftmaxSums {
  readonly largest: number;
  readonly sum: number;
}

/** The largest of some logits and the sum of e^(l - largest). */
export function softmaxSums(logits: Uint32Array): SoftmaxSums {
  let best = logits[0]!;
  for (const bits of logits) if (keyOf(bits) > keyOf(best)) best = bits;
  let units = 0;
  for (const bits of logits) {
    if (keyOf(bits) === NAN_KEY) return { largest: NAN_BITS, sum: NAN_BITS };
    units += Math.floor(fromBits(exponential(bits, best)) / softmaxUnit);
  }
  return { largest: best, sum: bitsOf(units * softmaxUnit) };
}

function exponential(logit: number, best: number): number {
  return expBits(addBits(logit, (best ^ 0x80000000) >>> 0));
}

/** A logit's share of a softmax: f32 bits. */
export function softmaxOf(logit: number, { largest, sum }: SoftmaxSums): number {
  return divBits(exponential(logit, largest), sum);
}

/** f32 bits of the scores of a token's logits. */
export function scoresOf(score: GateScore, logits: Uint32Array): Uint32Array {
  switch (score) {
    case 'sigmoid':
      return logits.map(sigmoidBits);
    case 'sqrt-softplus':
      return logits.map((bits) => sqrtBits(softplusBits(bits)));
    case 'softmax': {
      const sums = softmaxSums(logits);
      return logits.map((bits) => softmaxOf(bits, sums));
    }
    case 'logit':
      return logits;
  }
}
