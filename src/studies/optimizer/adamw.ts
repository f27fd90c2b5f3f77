import type { Problem } from './problems.ts';
import { type Storage, stepWords } from './storage.ts';

/** AdamW (Loshchilov and Hutter) with a linear decay of the rate to a tenth. */
export interface AdamW {
  readonly rate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly decay: number;
  readonly steps: number;
}

const epsilon = 1e-8;
/** Philox streams of stochastic rounding, apart from those of the data. */
const roundingStreams = { first: 17, second: 18, weights: 19 } as const;

/**
 * Runs AdamW, the state kept between steps as `storage` says; a step itself is computed in doubles, its moments used before they are rounded.
 * Calls `measure` with the number of steps done and the loss at about `points` steps.
 */
export async function minimize(
  problem: Problem,
  storage: Storage,
  adam: AdamW,
  seed: number,
  points: number,
  measure: (step: number, loss: number) => Promise<void>,
): Promise<void> {
  const weights = problem.initial();
  const n = weights.length;
  const [first, second, gradient] = [new Float64Array(n), new Float64Array(n), new Float64Array(n)];
  const random = new Uint32Array(n);
  const keep = (name: keyof typeof roundingStreams, values: Float64Array, step: number): void => {
    if (storage.random) stepWords(seed, roundingStreams[name], step, random);
    storage[name](values, random);
  };
  keep('weights', weights, 0);
  const power = { first: 1, second: 1 };
  const every = Math.max(Math.floor(adam.steps / points), 1);
  for (let step = 1; step <= adam.steps; step++) {
    problem.gradient(weights, step - 1, gradient);
    power.first *= adam.beta1;
    power.second *= adam.beta2;
    const rate = adam.rate * (1 - (0.9 * (step - 1)) / adam.steps);
    for (let i = 0; i < n; i++) {
      const g = gradient[i]!;
      const m = adam.beta1 * first[i]! + (1 - adam.beta1) * g;
      const v = adam.beta2 * second[i]! + (1 - adam.beta2) * g * g;
      const update = m / (1 - power.first) / (Math.sqrt(v / (1 - power.second)) + epsilon);
      weights[i] = weights[i]! - rate * (update + adam.decay * weights[i]!);
      first[i] = m;
      second[i] = v;
    }
    keep('first', first, step);
    keep('second', second, step);
    keep('weights', weights, step);
    if (step % every === 0 || step === adam.steps) await measure(step, problem.loss(weights));
  }
}
