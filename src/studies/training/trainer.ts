import { fromBits } from '../../numerics/f32.ts';
import { generate } from '../../tensors/generate.ts';
import { type AdamWSettings, adamW, type Moments, zeroMoments } from './adamw.ts';
import { batchOf, type Corpus, validationBatches } from './corpus.ts';
import { buildWeights, evaluate, type Initializer, lossAndGradients, type ModelShape, type Weights } from './model.ts';
import { balanceExperts } from './moe.ts';
import type { Precision } from './precision.ts';

/** Everything that decides a training run, but for the precision it computes in. */
export interface TrainingSettings {
  readonly model: ModelShape;
  readonly sequences: number;
  /** Tokens of a sequence. */
  readonly length: number;
  readonly steps: number;
  /** Steps in which the learning rate rises; it then falls to a tenth along a cosine. */
  readonly warmup: number;
  readonly learningRate: number;
  readonly adamW: AdamWSettings;
  /** Step of the gate's bias (V3 section 4.2: 0.001). */
  readonly gamma: number;
  /** Philox key of weights and batches. */
  readonly seed: number;
}

/** What a step showed. */
export interface StepReport {
  /** Mean loss of the batch in nats, before the step. */
  readonly loss: number;
  /** Norm of the gradients before clipping. */
  readonly norm: number;
  /** Tokens of the fullest expert over the mean, averaged over layers. */
  readonly imbalance: number;
}

/** A run in the making: all that the next step depends on. */
export interface TrainingState {
  readonly weights: Weights;
  readonly moments: readonly Moments[];
  /** Reports of the steps that are done, in f32. */
  readonly reports: StepReport[];
}

/** Every matrix starts normal with standard deviation 0.5 / sqrt(hidden): that of DeepSeek-V3 (0.006 at 7168). */
function initializer({ model, seed }: TrainingSettings): Initializer {
  const deviation = 0.5 / Math.sqrt(model.hidden);
  let parameter = 0;
  return (_, rows, columns) => {
    // Each parameter has a key of its own: the generator's index counts elements.
    const key = (Math.imul(seed, 0x9e3779b1) + parameter++) >>> 0;
    const input = { generate: 'normal', seed: key, dtype: 'f32', exponent: 0, share: 0, factorExponent: 0 } as const;
    return Float32Array.from(generate(input, [rows, columns]).codes, (bits) => deviation * fromBits(bits));
  };
}

/** A run before its first step. */
export function startTraining(settings: TrainingSettings): TrainingState {
  const weights = buildWeights(settings.model, initializer(settings));
  return { weights, moments: weights.parameters.map(zeroMoments), reports: [] };
}

/** Learning rate of a step, counted from 0. */
export function learningRateAt({ steps, warmup, learningRate }: TrainingSettings, step: number): number {
  if (step < warmup) return (learningRate * (step + 1)) / warmup;
  const done = (step - warmup) / Math.max(steps - warmup, 1);
  return learningRate * (0.1 + 0.45 * (1 + Math.cos(Math.PI * done)));
}

/** Takes the next step of a run. */
export async function trainStep(
  state: TrainingState,
  settings: TrainingSettings,
  corpus: Corpus,
  precision: Precision,
): Promise<StepReport> {
  const { weights, moments, reports } = state;
  const step = reports.length;
  const batch = batchOf(corpus, settings.seed, step, settings.sequences, settings.length);
  const { loss, routed } = await lossAndGradients(weights, settings.model, batch, precision);
  const norm = adamW(weights.parameters, moments, settings.adamW, learningRateAt(settings, step), step + 1);
  precision.weightsChanged();
  const loads = weights.layers.map(({ moe }, layer) => balanceExperts(moe, routed[layer]!, settings.gamma));
  const report = inF32({ loss, norm, imbalance: mean(loads.map(imbalanceOf)) });
  reports.push(report);
  return report;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

const imbalanceOf = (load: readonly number[]): number => Math.max(...load) / mean(load);

/** A checkpoint holds reports in f32: a resumed run must tell the same. */
const inF32 = ({ loss, norm, imbalance }: StepReport): StepReport => ({
  loss: Math.fround(loss),
  norm: Math.fround(norm),
  imbalance: Math.fround(imbalance),
});

/** Mean loss on about `tokens` of the held-out text, in nats. */
export async function validate(
  { weights }: TrainingState,
  settings: TrainingSettings,
  corpus: Corpus,
  precision: Precision,
  tokens: number,
): Promise<number> {
  let sum = 0;
  let count = 0;
  for (const batch of validationBatches(corpus, tokens, settings.sequences, settings.length)) {
    sum += batch.inputs.length * (await evaluate(weights, settings.model, batch, precision));
    count += batch.inputs.length;
  }
  return sum / count;
}
