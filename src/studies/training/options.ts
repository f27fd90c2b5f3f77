import { Fp8labError } from '../../errors.ts';
import { type OptionDeclarations, type OptionValues, seedOption } from '../options.ts';
import type { StudyCase } from '../study.ts';
import type { AdamWSettings } from './adamw.ts';
import type { Ablations } from './recipe.ts';
import type { TrainingSettings } from './trainer.ts';

/** Where FP8 products are computed; `wasm` is this process, `auto` the native runner where it is built and else `wasm`. */
export const engines = [
  'auto',
  'native:host',
  'native:cuda',
  'wasm',
  'webgpu:node',
  'webgpu:deno',
  'webgpu:chromium',
] as const;

export type EngineName = (typeof engines)[number];

/** What a run computes in. */
export const precisions = ['bf16', 'fp8', 'f32', 'f32-reordered'] as const;

export type PrecisionName = (typeof precisions)[number];

/** Tokens that a head's width is made of. */
const headWidth = 64;

export const trainingOptions = {
  steps: { kind: 'integer', least: 1, most: 1_000_000, default: 400, text: 'steps of every run' },
  precisions: {
    kind: 'choices',
    choices: precisions,
    default: precisions,
    text: 'runs to compare; f32-reordered sums every product from its end and shows the noise of rounding alone',
  },
  engine: { kind: 'choice', choices: engines, default: 'auto', text: 'what computes the FP8 products' },
  noPromotion: { kind: 'flag', text: 'add an FP8 run whose sums stay in the tensor core, with a scale a row' },
  blockwiseGradients: { kind: 'flag', text: 'add an FP8 run whose gradients are quantized by 128x128 in dgrad' },
  perTensor: { kind: 'flag', text: 'add an FP8 run with one scale a tensor' },
  seeds: {
    kind: 'integers',
    least: 0,
    most: 2 ** 32 - 1,
    default: [seedOption.default],
    text: 'Philox keys of weights and batches; each makes its own set of runs',
  },
  layers: { kind: 'integer', least: 1, most: 64, default: 2, text: 'layers' },
  hidden: { kind: 'integer', least: headWidth, most: 4096, default: 256, text: `width, a multiple of ${headWidth}` },
  expertWidth: { kind: 'integer', least: 8, most: 4096, default: 128, text: 'inner width of an expert' },
  sequences: { kind: 'integer', least: 1, most: 1024, default: 4, text: 'sequences of a batch' },
  length: { kind: 'integer', least: 8, most: 1024, default: 128, text: 'tokens of a sequence' },
  learningRate: { kind: 'number', least: 1e-6, most: 1, default: 0.002, text: 'highest learning rate' },
  gamma: { kind: 'number', least: 0, most: 1, default: 0.003, text: "step of the gate's balancing bias" },
} as const satisfies OptionDeclarations;

export type TrainingOptions = OptionValues<typeof trainingOptions>;

/** A run: a precision, or an FP8 recipe with one thing changed, and a seed. */
export interface TrainingCase extends StudyCase {
  /** Name in tables: `fp8`, `fp8, per tensor`. */
  readonly run: string;
  readonly precision: PrecisionName;
  readonly ablations: Ablations;
  readonly seed: number;
}

const none: Ablations = { noPromotion: false, blockwiseGradients: false, perTensor: false };

/** The run that all others are held against. */
export const baseline = 'bf16';

/** Every run of every seed: precisions first, then an ablation for each flag. */
export function trainingCases(options: TrainingOptions): readonly TrainingCase[] {
  if (options.hidden % headWidth !== 0) {
    throw usage(`--hidden ${options.hidden} is no multiple of ${headWidth}`, '--hidden', 'give 64, 128, 192 ...');
  }
  const ablated = [
    options.noPromotion && { run: 'fp8, no promotion', ablations: { ...none, noPromotion: true } },
    options.blockwiseGradients && { run: 'fp8, 128x128 gradients', ablations: { ...none, blockwiseGradients: true } },
    options.perTensor && { run: 'fp8, per tensor', ablations: { ...none, perTensor: true } },
  ].filter((entry) => entry !== false);
  const runs = [
    ...options.precisions.map((precision) => ({ run: precision as string, precision, ablations: none })),
    ...ablated.map((entry) => ({ ...entry, precision: 'fp8' as const })),
  ];
  return options.seeds.flatMap((seed) =>
    runs.map((entry) => ({ ...entry, seed, label: `${entry.run}, seed ${seed}` })),
  );
}

/** AdamW as DeepSeek-V3 has it (section 4.2). */
const adamW: Omit<AdamWSettings, 'bf16Moments'> = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, decay: 0.1, clip: 1 };

/** Settings of a run. */
export function settingsOf(
  options: TrainingOptions,
  { precision, seed }: TrainingCase,
  vocabulary: number,
): TrainingSettings {
  const { hidden, layers, expertWidth, sequences, length, steps, learningRate, gamma } = options;
  const gate = { experts: 8, groups: 4, topkGroups: 2, topk: 2, routeScale: 1 };
  return {
    model: { vocabulary, hidden, layers, heads: hidden / headWidth, expertWidth, gate },
    sequences,
    length,
    steps,
    warmup: Math.min(50, Math.ceil(steps / 10)),
    learningRate,
    adamW: { ...adamW, bf16Moments: precision === 'fp8' },
    gamma,
    seed,
  };
}

/** An option that cannot be had. */
export function usage(message: string, where: string, fix: string): Fp8labError {
  return new Fp8labError(message, { kind: 'usage', code: 'bad-option', where, fix });
}
