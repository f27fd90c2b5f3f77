import type { TensorCoreModel } from '../numerics/arithmetic.ts';
import { encode } from '../numerics/codec.ts';
import { addF32, fromBits, mulF32 } from '../numerics/f32.ts';
import { blockSum, operandTable } from '../numerics/tensor-core.ts';
import { modelPresets } from '../specs/presets.ts';
import { generate } from '../tensors/generate.ts';
import type { Chart, ChartPanel } from './chart.ts';
import { ErrorSums } from './error-sums.ts';
import { type OptionValues, seedOption } from './options.ts';
import { type Column, defineStudy, type Finding, type Row, type StudyCase, type StudyContext } from './study.ts';
import { cellText, columnOf, distinct, numberOf, pivot } from './tables.ts';

const models = {
  hopper: modelPresets['hopper-wgmma-fp8'],
  ada: modelPresets['ada-mma-fp8'],
  blackwell: modelPresets['blackwell-fp8'],
  exact: modelPresets.exact,
} as const satisfies Record<string, TensorCoreModel>;

type ModelName = keyof typeof models;
type DataName = 'positive' | 'zero-mean' | 'shifted';

/** Stands for a product that is never promoted: the whole K in the tensor core. */
const never = 'never';

const options = {
  k: {
    kind: 'integers',
    least: 32,
    most: 2 ** 17,
    default: [128, 256, 512, 1024, 2048, 4096, 8192],
    text: 'lengths of the sum, ascending',
  },
  intervals: {
    kind: 'integers',
    least: 32,
    most: 2 ** 17,
    default: [32, 64, 128, 256, 512, 1024, 2048],
    text: 'promotion intervals; "never" is always measured too',
  },
  models: {
    kind: 'choices',
    choices: Object.keys(models) as ModelName[],
    default: Object.keys(models) as ModelName[],
    text: 'tensor-core models',
  },
  data: {
    kind: 'choices',
    choices: ['positive', 'shifted', 'zero-mean'] as const,
    default: ['positive', 'shifted', 'zero-mean'] as const,
    text: 'uniform in [0, 1); normal, moved up; normal',
  },
  shift: { kind: 'number', least: 0, most: 4, default: 0.65, text: 'mean of the shifted data, in standard deviations' },
  outputs: { kind: 'integer', least: 2, most: 512, default: 16, text: 'rows of A and of B: outputs are their square' },
  seed: seedOption,
} as const;

type Options = OptionValues<typeof options>;

/** What is measured: a tensor core, or, to hold it against, what rounding the operands to e4m3 does by itself. */
type Measured = ModelName | 'rounding of operands';

interface PromotionCase extends StudyCase {
  readonly measured: Measured;
  readonly data: DataName;
  /** 0: never. */
  readonly interval: number;
}

const columns: readonly Column[] = [
  { name: 'data', label: 'data', format: 'text' },
  { name: 'model', label: 'model', format: 'text' },
  { name: 'interval', label: 'promoted every', format: 'text' },
  { name: 'k', label: 'K', format: 'integer' },
  { name: 'outputs', label: 'outputs', format: 'integer' },
  { name: 'max_relative_error', label: 'max relative error', format: 'percent' },
  { name: 'max_error_over_rms', label: 'max error / rms', format: 'percent' },
  { name: 'bias', label: 'signed bias', format: 'percent' },
  { name: 'sqnr', label: 'SQNR', unit: 'dB', format: 'decimal' },
];

/** One operand [rows, K]: values, and their e4m3 codes. */
interface Operand {
  readonly values: Float32Array;
  readonly codes: Uint8Array;
}

/**
 * Values spread over e4m3's range by one fixed scale. Every row has a key of its own: an output at some K is the same whatever other K and how
 * many other outputs are measured.
 */
function operand(data: DataName, rows: number, k: number, seed: number, shift: number): Operand {
  const generator = data === 'positive' ? 'positive' : 'normal';
  // The normal generator stays below 4.95 standard deviations.
  const scale = data === 'positive' ? 448 : Math.fround(448 / (4.95 + shift));
  const values = new Float32Array(rows * k);
  for (let row = 0; row < rows; row++) {
    const key = (seed + Math.imul(row, 0x9e3779b1)) >>> 0;
    const input = { generate: generator, seed: key, dtype: 'f32', exponent: 0, share: 0, factorExponent: 0 } as const;
    const { codes } = generate(input, [k]);
    for (let i = 0; i < k; i++) values[row * k + i] = mulF32(addF32(fromBits(codes[i]!), shift), scale);
  }
  return { values, codes: encode(values, 'e4m3') as Uint8Array };
}

/** Partial sums of an output after each K of a list. */
type Prefixes = (row: number, column: number) => readonly number[];

/** The f32 accumulator of promoted blocks after each K; without promotion the tensor core's own sum of each K. */
function promotedSums(
  model: TensorCoreModel,
  a: Operand,
  b: Operand,
  longest: number,
  interval: number,
  lengths: readonly number[],
): Prefixes {
  const sum = blockSum(model, 'e4m3', 'e4m3');
  return (row, column) => {
    const block = (at: number, count: number): number =>
      sum({ codes: a.codes, offset: row * longest + at }, { codes: b.codes, offset: column * longest + at }, count);
    if (interval === 0) return lengths.map((k) => block(0, k));
    let accumulator = 0;
    let at = 0;
    return lengths.map((k) => {
      for (; at < k; at += interval) accumulator = addF32(accumulator, block(at, interval));
      return accumulator;
    });
  };
}

/** Sums of products in doubles after each K: exact for e4m3 values (multiples of 2^-18 below 2^17.7) up to K = 2^17. */
function doubleSums(
  a: Float32Array | Float64Array,
  b: Float32Array | Float64Array,
  longest: number,
  lengths: readonly number[],
): Prefixes {
  return (row, column) => {
    let sum = 0;
    let at = 0;
    return lengths.map((k) => {
      for (; at < k; at++) sum += a[row * longest + at]! * b[column * longest + at]!;
      return sum;
    });
  };
}

/** Every K that a promotion interval divides and that is longer than it; up to the interval "never" says the same. */
function lengthsOf({ k }: Options, interval: number): number[] {
  return k.filter((length) => interval === 0 || (length > interval && length % interval === 0)).sort((x, y) => x - y);
}

const decoded = ({ codes }: Operand): Float64Array =>
  Float64Array.from(codes, (code) => operandTable('e4m3').value[code]!);

async function runCase(
  { measured, data, interval }: PromotionCase,
  values: Options,
  context: StudyContext,
): Promise<Row[]> {
  const { outputs, seed } = values;
  const lengths = lengthsOf(values, interval);
  const longest = Math.max(...lengths);
  const shift = data === 'shifted' ? values.shift : 0;
  const a = operand(data, outputs, longest, seed, shift);
  // Another key: A and B are drawn apart.
  const b = operand(data, outputs, longest, (seed ^ 0x5bd1e995) >>> 0, shift);
  const exact = doubleSums(decoded(a), decoded(b), longest, lengths);
  const rounding = measured === 'rounding of operands';
  const expected = rounding ? doubleSums(a.values, b.values, longest, lengths) : exact;
  const actual = rounding ? exact : promotedSums(models[measured], a, b, longest, interval, lengths);
  const errors = lengths.map(() => new ErrorSums());
  for (let row = 0; row < outputs; row++) {
    for (let column = 0; column < outputs; column++) {
      const is = actual(row, column);
      for (const [i, value] of expected(row, column).entries()) errors[i]!.add(value, is[i]!);
    }
    await context.progress((row + 1) / outputs);
  }
  return lengths.map((k, i) => ({
    data,
    model: measured,
    interval: interval === 0 ? never : String(interval),
    k,
    outputs: errors[i]!.count,
    max_relative_error: errors[i]!.maxRelative,
    max_error_over_rms: errors[i]!.maxOverRms,
    bias: errors[i]!.bias,
    sqnr: errors[i]!.sqnr,
  }));
}

function cases(values: Options): PromotionCase[] {
  const intervals = [...values.intervals]
    .sort((x, y) => x - y)
    .filter((interval) => lengthsOf(values, interval).length > 0);
  return values.data.flatMap((data) => [
    ...values.models.flatMap((measured) =>
      [...intervals, 0].map((interval) => ({
        measured,
        data,
        interval,
        label: `${data}, ${measured}, ${interval === 0 ? 'never promoted' : `promoted every ${interval}`}`,
      })),
    ),
    { measured: 'rounding of operands' as const, data, interval: 0, label: `${data}, rounding of operands` },
  ]);
}

/** The K that the paper's figure is for, or the longest measured below it. */
function paperK(rows: readonly Row[]): number {
  const lengths = distinct(rows, 'k').map(numberOf);
  return Math.max(...(lengths.includes(4096) ? [4096] : lengths));
}

const paper = { y: 0.02, label: 'report: “nearly 2 %”' };

function panels(rows: readonly Row[], x: (row: Row) => number, series: (row: Row) => string | undefined): ChartPanel[] {
  return distinct(rows, 'data').map((data) => {
    const mine = rows.filter((row) => row.data === data);
    const names = Array.from(new Set(mine.map(series).filter((name) => name !== undefined)));
    return {
      title: `${data} data`,
      series: names.map((name) => ({
        name,
        points: mine
          .filter((row) => series(row) === name)
          .map((row) => ({ x: x(row), y: numberOf(row.max_error_over_rms) }))
          .sort((p, q) => p.x - q.x),
      })),
    };
  });
}

const errorAxis = { label: 'largest error over the rms of the outputs', scale: 'log', percent: true } as const;

function charts(rows: readonly Row[]): Chart[] {
  const k = paperK(rows);
  const isRounding = (row: Row): boolean => row.model === 'rounding of operands';
  const growth = panels(
    rows,
    (row) => numberOf(row.k),
    (row) => {
      if (isRounding(row)) return 'rounding of operands alone';
      if (row.interval === never) return `${row.model}, never`;
      return row.interval === '128' && row.model === 'hopper' ? 'hopper, every 128' : undefined;
    },
  );
  const byInterval = panels(
    rows.filter((row) => row.k === k && !isRounding(row)),
    (row) => (row.interval === never ? k : Number(row.interval)),
    (row) => String(row.model),
  );
  return [
    {
      name: 'promotion-k',
      title: 'Without promotion the error of an FP8 product grows with K',
      subtitle:
        'Never promoted, and promoted to f32 every 128, against the exact sum of the same FP8 products. The report’s figure is for K = 4096.',
      kind: 'lines',
      x: { label: 'K, length of the sum', scale: 'log', base: 2 },
      y: errorAxis,
      panels: growth,
      references: [paper],
    },
    {
      name: 'promotion-interval',
      title: `The promotion interval at K = ${k.toLocaleString('en-US')}`,
      subtitle: 'The last point of each line is a product that is never promoted.',
      kind: 'lines',
      x: { label: 'K between promotions to f32', scale: 'log', base: 2 },
      y: errorAxis,
      panels: byInterval,
      references: [paper],
    },
  ];
}

function findings(rows: readonly Row[]): Finding[] {
  const k = paperK(rows);
  const at = (data: string, model: string, interval: string): Row | undefined =>
    rows.find((row) => row.data === data && row.model === model && row.interval === interval && row.k === k);
  const say = (row: Row, name: string): string => cellText(columnOf(columns, name), row[name]);
  const found: Finding[] = [];
  for (const data of distinct(rows, 'data').map(String)) {
    const alone = at(data, 'hopper', never);
    const promoted = at(data, 'hopper', '128');
    const rounding = at(data, 'rounding of operands', never);
    if (alone !== undefined) {
      found.push({
        text: `Hopper, ${data} data, K = ${k}, never promoted: the largest error is ${say(alone, 'max_error_over_rms')} of the outputs' rms, the signed bias ${say(alone, 'bias')}.`,
        ...(k === 4096 && {
          published: 'nearly 2 % for two random matrices of unstated distribution (DeepSeek-V3 report, 3.3.2)',
        }),
      });
    }
    if (promoted === undefined) continue;
    const yardstick =
      rounding === undefined
        ? ''
        : `; rounding the operands to e4m3 costs ${say(rounding, 'max_error_over_rms')} by itself`;
    found.push({
      text: `Promoted every 128 it is ${say(promoted, 'max_error_over_rms')}, bias ${say(promoted, 'bias')}${yardstick}.`,
      published: '128, four wgmma, is the least interval that helps much without substantial overhead (3.3.2)',
    });
  }
  return found;
}

/** DeepSeek-V3's promotion interval: what limited accumulation costs, and why 128. */
export const promotion = defineStudy({
  name: 'promotion',
  title: 'Promotion interval of FP8 products',
  source: 'DeepSeek-V3 report, 3.3.2 "Increasing Accumulation Precision" and 3.5.2',
  question:
    'How wrong is an FP8 product whose tensor core keeps 13 fraction bits, as K grows, and how often must partial sums be promoted to f32?',
  options,
  columns,
  cases,
  run: runCase,
  present: (rows) => {
    const k = paperK(rows);
    const here = rows.filter((row) => row.k === k);
    return {
      tables: distinct(here, 'data').flatMap((data) => {
        const mine = here.filter((row) => row.data === data);
        const spread = { down: 'model', across: 'interval' };
        const what = `${data} data, K = ${k}, by promotion interval`;
        return [
          pivot(`Largest error over rms: ${what}`, columns, { ...spread, value: 'max_error_over_rms' }, mine),
          pivot(`Signed bias: ${what}`, columns, { ...spread, value: 'bias' }, mine),
        ];
      }),
      charts: charts(rows),
      findings: findings(rows),
    };
  },
});
