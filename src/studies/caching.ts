import { sigmoidBits } from '../numerics/exp.ts';
import { bitsOf, fromBits } from '../numerics/f32.ts';
import type { Scheme } from '../numerics/scheme.ts';
import { schemePresets } from '../specs/presets.ts';
import { ErrorSums } from './error-sums.ts';
import { inputPanels, matrixOptions } from './input-charts.ts';
import { multiplyTransposed } from './matmul.ts';
import { generatedMatrix, parseInput, type StudyMatrix } from './matrix.ts';
import { seedOption } from './options.ts';
import { bitsPerElement, roundTrip, valuesOf } from './round-trip.ts';
import { type Column, defineStudy, type Finding, type Row, type StudyCase } from './study.ts';
import { cellText, columnOf, distinct, tableOf } from './tables.ts';

const f32Tiles = schemePresets['activation-1x128'];
const pow2Tiles = schemePresets['activation-1x128-pow2'];

/** How activations wait for the backward pass; undefined: in bf16. */
const caches = {
  bf16: undefined,
  'e5m6 pow2': { ...schemePresets['e5m6-token'], tile: [1, 128] },
  'e4m3 pow2': pow2Tiles,
  'e4m3 f32': f32Tiles,
  'e5m2 pow2': { ...pow2Tiles, format: 'e5m2' },
} as const satisfies Record<string, Scheme | undefined>;

type CacheName = keyof typeof caches;
const names = Object.keys(caches) as CacheName[];

const options = {
  ...matrixOptions,
  caches: { kind: 'choices', choices: names, default: names, text: 'formats of the cache, in 1x128 tiles' },
  outputs: { kind: 'integer', least: 1, most: 4096, default: 64, text: 'outputs of the Linear whose dw is taken' },
  seed: seedOption,
} as const;

interface CachingCase extends StudyCase {
  readonly input: string;
  readonly cache: CacheName;
}

const columns: readonly Column[] = [
  { name: 'input', label: 'input', format: 'text' },
  { name: 'cache', label: 'cached in', format: 'text' },
  { name: 'bits', label: 'bits/element', format: 'decimal' },
  { name: 'dw_error', label: 'dw of the Linear', format: 'percent' },
  { name: 'delta_error', label: 'attention’s rowsum(dO * O)', format: 'percent' },
  { name: 'swiglu_error', label: 'SwiGLU output', format: 'percent' },
  { name: 'swiglu_gradient_error', label: 'SwiGLU gradients', format: 'percent' },
];

/** Columns of an attention head. */
const head = 128;

/** Normal gradients [rows, columns] of a key apart from the inputs'. */
function gradients(rows: number, width: number, seed: number): Float32Array {
  const input = parseInput(`normal:seed=${(seed ^ 0x5bd1e995) >>> 0}`, seed)!;
  return valuesOf(generatedMatrix(input, rows, width, '').words);
}

const norm = (expected: ArrayLike<number>, actual: ArrayLike<number>): number | null =>
  new ErrorSums().addAll(expected, actual).relativeNorm;

/** dw [outputs, columns] = dy^T x with x in the 128x1 e4m3 tiles of wgrad, their scales as the cache's. */
function weightGradient(
  x: Uint32Array,
  { rows, columns: width }: StudyMatrix,
  dy: Float32Array,
  outputs: number,
  scheme?: Scheme,
) {
  const operand = scheme === undefined ? x : roundTrip({ rows, columns: width, words: x }, scheme).words;
  return multiplyTransposed(dy, valuesOf(operand), rows, outputs, width);
}

/** FlashAttention's backward sum: rowsum(dO * O) for every token and head. */
function deltas(o: Float32Array, gradient: Float32Array, { rows, columns: width }: StudyMatrix): Float64Array {
  const heads = Math.ceil(width / head);
  const out = new Float64Array(rows * heads);
  for (let i = 0; i < o.length; i++) {
    const row = Math.floor(i / width);
    out[row * heads + Math.floor((i - row * width) / head)]! += o[i]! * gradient[i]!;
  }
  return out;
}

/**
 * SwiGLU of the two halves of each row, gate and up: outputs, and the gradients of gate and up for an output gradient. The sigmoid is the pinned
 * one in f32: the engine's own exp differs in its last bits from engine to engine.
 */
function swiglu(x: Float32Array, gradient: Float32Array, { rows, columns: width }: StudyMatrix) {
  const half = width >> 1;
  const output = new Float64Array(rows * half);
  const back = new Float64Array(2 * rows * half);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < half; i++) {
      const gate = x[row * width + i]!;
      const up = x[row * width + half + i]!;
      const sigmoid = fromBits(sigmoidBits(bitsOf(gate)));
      const g = gradient[row * width + i]!;
      const at = row * half + i;
      output[at] = gate * sigmoid * up;
      back[2 * at] = g * up * sigmoid * (1 + gate * (1 - sigmoid));
      back[2 * at + 1] = g * gate * sigmoid;
    }
  }
  return { output, back };
}

function findings(rows: readonly Row[]): Finding[] {
  return distinct(rows, 'input').flatMap((input) => {
    const of = (cache: CacheName): Row | undefined => rows.find((row) => row.input === input && row.cache === cache);
    const [bf16, e5m6, pow2, f32] = [of('bf16'), of('e5m6 pow2'), of('e4m3 pow2'), of('e4m3 f32')];
    if (bf16 === undefined || e5m6 === undefined || pow2 === undefined || f32 === undefined) return [];
    const say = (row: Row, name: string): string => cellText(columnOf(columns, name), row[name]);
    return [
      {
        text: `${input}: dw is off by ${say(bf16, 'dw_error')} with a bf16 cache, ${say(pow2, 'dw_error')} with e4m3 and power-of-two scales, ${say(f32, 'dw_error')} with e4m3 and f32 scales.`,
        published: 'FP8 caches with power-of-two scales for what is requantized to 128x1 (DeepSeek-V3 report, 3.3.3)',
      },
      {
        text: `${input}: attention's rowsum(dO * O) is off by ${say(e5m6, 'delta_error')} from an E5M6 cache, ${say(pow2, 'delta_error')} from an e4m3 one.`,
        published:
          'E5M6 for the inputs of the Linear after attention, as attention’s backward is sensitive to precision (3.3.3)',
      },
    ];
  });
}

/** DeepSeek-V3's cached activations: what the formats of the cache do to the backward pass. */
export const caching = defineStudy({
  name: 'caching',
  title: 'Activations cached in fewer bits',
  source: 'DeepSeek-V3 report, 3.3.3 "Low-Precision Activation"',
  question:
    'What does caching activations in e4m3, or E5M6, do to the weight gradient, to attention’s backward and to a recomputed SwiGLU?',
  options,
  inputs: ['normal', 'outlier-channels', 'outlier-tokens'],
  columns,
  cases: (values, inputs) =>
    inputs.flatMap((input) =>
      values.caches.map((cache): CachingCase => ({ input, cache, label: `${input}, ${cache}` })),
    ),
  async run({ input, cache }: CachingCase, { outputs, seed }, context) {
    const matrix = await context.matrix(input);
    await context.progress(0.1);
    const scheme: Scheme | undefined = caches[cache];
    const cached = scheme === undefined ? matrix.words : roundTrip(matrix, scheme).words;
    await context.progress(0.3);
    const wgrad: Scheme = { ...(scheme?.scale.recipe === 'divide' ? f32Tiles : pow2Tiles), tile: [128, 1] };
    const dy = gradients(matrix.rows, outputs, seed);
    const dw = norm(
      weightGradient(matrix.words, matrix, dy, outputs),
      weightGradient(cached, matrix, dy, outputs, wgrad),
    );
    await context.progress(0.7);
    const [before, after] = [valuesOf(matrix.words), valuesOf(cached)];
    const gradient = gradients(matrix.rows, matrix.columns, seed);
    const [exact, is] = [swiglu(before, gradient, matrix), swiglu(after, gradient, matrix)];
    return [
      {
        input: matrix.title,
        cache,
        bits: scheme === undefined ? 16 : bitsPerElement(matrix, scheme),
        dw_error: dw,
        delta_error: norm(deltas(before, gradient, matrix), deltas(after, gradient, matrix)),
        swiglu_error: norm(exact.output, is.output),
        swiglu_gradient_error: norm(exact.back, is.back),
      },
    ];
  },
  present: (rows) => ({
    tables: distinct(rows, 'input').map((input) =>
      tableOf(
        `${input}: norm of the error over the norm`,
        columns,
        columns.slice(1).map(({ name }) => name),
        rows.filter((row) => row.input === input),
      ),
    ),
    charts: [
      {
        name: 'caching',
        title: 'What the format of the activation cache does to the backward pass',
        subtitle:
          'Norm of the error over the norm. dw is FP8 in any case: its operand is requantized to 128x1 e4m3 tiles, from bf16 too.',
        kind: 'bars',
        x: { label: 'cache', scale: 'category' },
        y: { label: 'relative error', scale: 'linear', percent: true },
        panels: inputPanels(rows, 'cache', [
          ['dw_error', 'dw of the Linear'],
          ['delta_error', 'attention’s rowsum(dO * O)'],
          ['swiglu_error', 'SwiGLU recomputed'],
          ['swiglu_gradient_error', 'its gradients'],
        ]),
      },
    ],
    findings: findings(rows),
  }),
});
