import { type Floats, roundToBf16, zeros } from './matrix.ts';
import type { Parameter } from './precision.ts';

/** AdamW with decoupled weight decay and clipping by the norm of all gradients together. */
export interface AdamWSettings {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly decay: number;
  /** Largest norm of all gradients together. */
  readonly clip: number;
  /** Moments are rounded to bf16 after each step (V3 section 3.3.3); master weights and gradients stay f32. */
  readonly bf16Moments: boolean;
}

/** First and second moments of a parameter. */
export interface Moments {
  readonly first: Floats;
  readonly second: Floats;
}

/** Moments before the first step. */
export function zeroMoments({ values }: Parameter): Moments {
  return { first: zeros(values, values.length), second: zeros(values, values.length) };
}

/**
 * One step on all parameters; gradients are set to zero afterwards.
 * @param step counts from 1
 * @returns norm of the gradients before clipping
 */
export function adamW(
  parameters: readonly Parameter[],
  moments: readonly Moments[],
  settings: AdamWSettings,
  learningRate: number,
  step: number,
): number {
  const norm = Math.sqrt(parameters.reduce((sum, { gradient }) => sum + squares(gradient), 0));
  const shrink = norm > settings.clip ? settings.clip / norm : 1;
  parameters.forEach((parameter, index) => {
    update(parameter, moments[index]!, settings, learningRate, shrink, step);
    parameter.gradient.fill(0);
  });
  return norm;
}

function squares(values: Floats): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!;
  return sum;
}

function update(
  { values, gradient, decays, rows, columns }: Parameter,
  { first, second }: Moments,
  { beta1, beta2, epsilon, decay, bf16Moments }: AdamWSettings,
  learningRate: number,
  shrink: number,
  step: number,
): void {
  for (let i = 0; i < values.length; i++) {
    const slope = gradient[i]! * shrink;
    first[i] = beta1 * first[i]! + (1 - beta1) * slope;
    second[i] = beta2 * second[i]! + (1 - beta2) * slope * slope;
  }
  if (bf16Moments) {
    roundToBf16({ rows, columns, values: first });
    roundToBf16({ rows, columns, values: second });
  }
  const rate = learningRate / (1 - beta1 ** step);
  const spread = 1 / Math.sqrt(1 - beta2 ** step);
  const shrinkage = decays ? 1 - learningRate * decay : 1;
  for (let i = 0; i < values.length; i++) {
    values[i] = values[i]! * shrinkage - (rate * first[i]!) / (Math.sqrt(second[i]!) * spread + epsilon);
  }
}
