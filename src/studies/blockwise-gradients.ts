import { encoder } from '../numerics/codec.ts';
import { decodeBits } from '../numerics/decode-bits.ts';
import { bitsOf, fromBits } from '../numerics/f32.ts';
import { formats } from '../numerics/formats.ts';
import { philoxWord, streams } from '../numerics/philox.ts';
import type { Scheme } from '../numerics/scheme.ts';
import { schemePresets } from '../specs/presets.ts';
import { type GeneratedInput, generate } from '../tensors/generate.ts';
import type { Chart } from './chart.ts';
import { ErrorSums } from './error-sums.ts';
import { multiply, multiplyTransposed } from './matmul.ts';
import { type OptionValues, seedOption } from './options.ts';
import { roundTrip, valuesOf } from './round-trip.ts';
import { type Column, defineStudy, type Finding, type Row, type StudyCase, type StudyContext } from './study.ts';
import { cellText, columnOf, distinct, numberOf, tableOf } from './tables.ts';
import { powerText } from './ticks.ts';

/** How the activation gradient is quantized for its two products; undefined leaves it in bf16, and weights and activations too. */
interface Arm {
  readonly dgrad: Scheme;
  readonly wgrad: Scheme;
}

const tiles = schemePresets['activation-1x128'];
const blocks = schemePresets['gradient-128x128'];
const tensor = schemePresets['per-tensor'];

const arms = {
  bf16: undefined,
  '1x128': { dgrad: tiles, wgrad: { ...tiles, tile: [128, 1] } },
  '128x128': { dgrad: blocks, wgrad: blocks },
  'per-tensor': { dgrad: tensor, wgrad: tensor },
} as const satisfies Record<string, Arm | undefined>;

type ArmName = keyof typeof arms;
const armNames = Object.keys(arms) as ArmName[];

const options = {
  tokens: { kind: 'integer', least: 128, most: 8192, default: 256, text: 'tokens' },
  width: { kind: 'integer', least: 128, most: 8192, default: 256, text: 'width of every layer' },
  layers: { kind: 'integer', least: 1, most: 128, default: 8, text: 'layers that the gradient goes back through' },
  share: { kind: 'number', least: 0, most: 1, default: 0.02, text: 'share of tokens whose gradient is an outlier' },
  exponents: {
    kind: 'integers',
    least: 0,
    most: 40,
    default: [0, 8, 12, 14, 16, 18],
    text: 'outlier tokens are 2^exponent times as large',
  },
  arms: { kind: 'choices', choices: armNames, default: armNames, text: 'tiles of the gradient' },
  seed: seedOption,
} as const;

type Options = OptionValues<typeof options>;

interface GradientCase extends StudyCase {
  readonly exponent: number;
}

const columns: readonly Column[] = [
  { name: 'exponent', label: 'outliers 2^', format: 'integer' },
  { name: 'gradient', label: 'gradient in', format: 'text' },
  { name: 'layer', label: 'layers back', format: 'integer' },
  { name: 'dx_token_error', label: 'dx, median token', format: 'percent' },
  { name: 'dx_error', label: 'dx, norm', format: 'percent' },
  { name: 'dw_error', label: 'dw, norm', format: 'percent' },
  { name: 'dw_ordinary_error', label: 'dw of ordinary tokens', format: 'percent' },
  { name: 'underflowed', label: 'gradients underflowed', format: 'percent' },
];

/** A run's tensors that do not depend on the arm. */
interface Network {
  readonly values: Options;
  /** Per layer W [out, in] and the layer's input x [tokens, in], bf16 values. */
  readonly weights: readonly Float32Array[];
  readonly inputs: readonly Float32Array[];
  /** The loss's gradient at the last layer's output [tokens, width]. */
  readonly gradient: Float32Array;
  readonly isOutlier: readonly boolean[];
}

function bf16Values(input: Partial<GeneratedInput>, rows: number, columns: number): Float32Array {
  const full = {
    generate: 'normal',
    seed: 0,
    dtype: 'bf16',
    exponent: 0,
    share: 0,
    factorExponent: 0,
    ...input,
  } as const;
  return Float32Array.from(generate(full, [rows, columns]).codes, (code) => fromBits(decodeBits(code, formats.bf16)));
}

function network(values: Options, exponent: number): Network {
  const { tokens, width, layers, share, seed } = values;
  // Weights of standard deviation about 1 / sqrt(width) keep the gradient's size from layer to layer.
  const weightExponent = -Math.round(Math.log2(width) / 2);
  const seedOf = (i: number): number => (seed + 7919 * (i + 1)) >>> 0;
  return {
    values,
    weights: Array.from({ length: layers }, (_, i) =>
      bf16Values({ seed: seedOf(2 * i), exponent: weightExponent }, width, width),
    ),
    inputs: Array.from({ length: layers }, (_, i) => bf16Values({ seed: seedOf(2 * i + 1) }, tokens, width)),
    gradient: bf16Values({ generate: 'outlier-tokens', seed, share, factorExponent: exponent }, tokens, width),
    isOutlier: Array.from({ length: tokens }, (_, t) => philoxWord(seed, t, streams.outliers) < share * 2 ** 32),
  };
}

const toBf16 = encoder(formats.bf16, 'nearest-even', 'saturate');

/** Sums as a product hands them on: rounded to bf16. */
function asBf16(sums: Float64Array): Float32Array {
  return Float32Array.from(sums, (sum) => fromBits(decodeBits(toBf16(bitsOf(sum)), formats.bf16)));
}

function quantized(values: Float32Array, rows: number, columns: number, scheme: Scheme): Float32Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return valuesOf(roundTrip({ rows, columns, words }, scheme).words);
}

/** One layer's gradients: dx [tokens, in], dw [out, in], and the part of dw that ordinary tokens give. */
interface LayerGradients {
  readonly dx: Float64Array;
  readonly dw: Float64Array;
  readonly dwOrdinary: Float64Array;
  readonly underflowed: number;
}

function backward(net: Network, layer: number, dy: Float32Array | Float64Array, arm: Arm | undefined): LayerGradients {
  const { tokens, width } = net.values;
  const weight = net.weights[layer]!;
  const input = net.inputs[layer]!;
  const narrow = (scheme: Scheme): Float32Array => quantized(dy as Float32Array, tokens, width, scheme);
  const forDx = arm === undefined ? dy : narrow(arm.dgrad);
  const forDw = arm === undefined ? dy : narrow(arm.wgrad);
  const w = arm === undefined ? weight : quantized(weight, width, width, schemePresets['weight-128x128']);
  const x = arm === undefined ? input : quantized(input, tokens, width, { ...tiles, tile: [128, 1] });
  const dwOf = (outliers: boolean): Float64Array => {
    const [gradients, activations] = [tokensWhere(net, forDw, outliers), tokensWhere(net, x, outliers)];
    return multiplyTransposed(gradients, activations, gradients.length / width, width, width);
  };
  const dwOrdinary = dwOf(false);
  const dwOutliers = dwOf(true);
  return {
    dx: multiply(forDx, w, tokens, width, width),
    dw: dwOrdinary.map((value, i) => value + dwOutliers[i]!),
    dwOrdinary,
    underflowed: underflowShare(dy, forDx),
  };
}

/** Rows of the outlier tokens alone, or of the others. */
function tokensWhere({ values: { width }, isOutlier }: Network, rows: Float32Array | Float64Array, outliers: boolean) {
  return rows.filter((_: number, i: number) => isOutlier[Math.floor(i / width)] === outliers);
}

function underflowShare(before: ArrayLike<number>, after: ArrayLike<number>): number {
  let lost = 0;
  for (let i = 0; i < before.length; i++) if (before[i] !== 0 && after[i] === 0) lost++;
  return lost / before.length;
}

/** Median over the ordinary tokens of the norm of a token's error over its norm. */
function tokenError(net: Network, expected: Float64Array, actual: Float64Array): number {
  const { width } = net.values;
  const errors = net.isOutlier.flatMap((is, t) => {
    if (is) return [];
    const row = (values: Float64Array): Float64Array => values.subarray(t * width, (t + 1) * width);
    return [new ErrorSums().addAll(row(expected), row(actual)).relativeNorm ?? 0];
  });
  return errors.sort((a, b) => a - b)[errors.length >> 1] ?? 0;
}

const norm = (expected: Float64Array, actual: Float64Array): number | null =>
  new ErrorSums().addAll(expected, actual).relativeNorm;

async function runCase({ exponent }: GradientCase, values: Options, context: StudyContext): Promise<Row[]> {
  const net = network(values, exponent);
  const rows: Row[] = [];
  let exact: Float32Array | Float64Array = net.gradient;
  const gradients = new Map<ArmName, Float32Array>(values.arms.map((name) => [name, net.gradient]));
  for (let back = 1; back <= values.layers; back++) {
    const layer = values.layers - back;
    const reference = backward(net, layer, exact, undefined);
    for (const [at, name] of values.arms.entries()) {
      await context.progress((back - 1 + at / values.arms.length) / values.layers, `layer ${layer + 1}`);
      const is = backward(net, layer, gradients.get(name)!, arms[name]);
      rows.push({
        exponent,
        gradient: name,
        layer: back,
        dx_token_error: tokenError(net, reference.dx, is.dx),
        dx_error: norm(reference.dx, is.dx),
        dw_error: norm(reference.dw, is.dw),
        dw_ordinary_error: norm(reference.dwOrdinary, is.dwOrdinary),
        underflowed: is.underflowed,
      });
      gradients.set(name, asBf16(is.dx));
    }
    exact = reference.dx;
  }
  return rows;
}

const errorAxis = { label: 'relative error', scale: 'log', percent: true } as const;

/** The measured factor at which the paper's effect is told: the least at which blocks lose the median token more than twice over. */
function tellingExponent(rows: readonly Row[]): number {
  const exponents = distinct(rows, 'exponent').map(numberOf);
  const error = (exponent: number, gradient: ArmName): number =>
    numberOf(
      rows.find((row) => row.exponent === exponent && row.gradient === gradient && row.layer === 1)?.dx_token_error,
    );
  return exponents.find((e) => error(e, '128x128') > 2 * error(e, '1x128')) ?? exponents.at(-1)!;
}

function charts(rows: readonly Row[]): Chart[] {
  const panels = [
    ['dx_token_error', 'dx of the median ordinary token'],
    ['dw_ordinary_error', 'dw of the ordinary tokens'],
  ] as const;
  const lines = (mine: readonly Row[], x: string) =>
    panels.map(([column, title]) => ({
      title,
      series: distinct(mine, 'gradient').map((gradient) => ({
        name: String(gradient),
        points: mine
          .filter((row) => row.gradient === gradient)
          .map((row) => ({ x: numberOf(row[x]), y: numberOf(row[column]) })),
      })),
    }));
  const telling = tellingExponent(rows);
  return [
    {
      name: 'blockwise-gradients-outliers',
      title: 'Outlier tokens and the tiles of the gradient',
      subtitle:
        'One layer back. Weights in 128x128 blocks; the activations of wgrad in 128x1 tiles. "1x128" is 1x128 for dgrad, 128x1 for wgrad.',
      kind: 'lines',
      x: { label: 'outlier tokens are 2ˣ times as large', scale: 'linear' },
      y: errorAxis,
      panels: lines(
        rows.filter((row) => row.layer === 1),
        'exponent',
      ),
    },
    {
      name: 'blockwise-gradients-layers',
      title: 'Growth of the error through layers',
      subtitle: `Outlier tokens are ${powerText(2, telling)} times as large. The gradient is rounded to bf16 between layers.`,
      kind: 'lines',
      x: { label: 'layers back', scale: 'linear' },
      y: errorAxis,
      panels: lines(
        rows.filter((row) => row.exponent === telling),
        'layer',
      ),
    },
  ];
}

function findings(rows: readonly Row[]): Finding[] {
  const telling = tellingExponent(rows);
  const last = Math.max(...rows.map((row) => numberOf(row.layer)));
  const of = (gradient: ArmName, layer: number): Row | undefined =>
    rows.find((row) => row.exponent === telling && row.gradient === gradient && row.layer === layer);
  const [tile, block] = [of('1x128', last), of('128x128', last)];
  if (tile === undefined || block === undefined) return [];
  const say = (row: Row, name: string): string => cellText(columnOf(columns, name), row[name]);
  return [
    {
      text: `With outlier tokens 2^${telling} times as large, ${last} layers back, the median ordinary token's dx is off by ${say(block, 'dx_token_error')} in 128x128 blocks and by ${say(tile, 'dx_token_error')} in 1x128 tiles; blocks turn ${say(block, 'underflowed')} of the gradients into zero.`,
      published:
        'a 16B model with block-wise gradients diverges after about 300B tokens; token-correlated outliers are the hypothesis (DeepSeek-V3 report, B.2)',
    },
    {
      text: `The norms of dx and dw do not show it (dw ${say(block, 'dw_error')} in blocks, ${say(tile, 'dw_error')} in tiles): they are the outlier tokens'.`,
    },
  ];
}

/** DeepSeek-V3's appendix B.2: why activation gradients are not quantized in 128x128 blocks. */
export const blockwiseGradients = defineStudy({
  name: 'blockwise-gradients',
  title: 'Activation gradients in 128x128 blocks',
  source: 'DeepSeek-V3 report, appendix B.2 "Block-Wise Quantization"',
  question:
    'What do outlier tokens do to dx and dw when the gradient is quantized by tiles or by blocks, and how does it grow through layers?',
  options,
  columns,
  cases: ({ exponents }) =>
    [...exponents]
      .sort((a, b) => a - b)
      .map((exponent): GradientCase => ({ exponent, label: `outliers 2^${exponent}` })),
  run: runCase,
  present: (rows) => {
    const ends = [1, Math.max(...rows.map((row) => numberOf(row.layer)))];
    return {
      tables: Array.from(new Set(ends)).map((layer) =>
        tableOf(
          `${layer} ${layer === 1 ? 'layer' : 'layers'} back`,
          columns,
          columns.filter(({ name }) => name !== 'layer').map(({ name }) => name),
          rows.filter((row) => row.layer === layer),
        ),
      ),
      charts: charts(rows),
      findings: findings(rows),
    };
  },
});
