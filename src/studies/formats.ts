import { bitsOf } from '../numerics/f32.ts';
import { formats as knownFormats } from '../numerics/formats.ts';
import { philoxWords } from '../numerics/philox.ts';
import type { Scheme } from '../numerics/scheme.ts';
import { schemePresets } from '../specs/presets.ts';
import type { Chart } from './chart.ts';
import { inputPanels, matrixOptions, usualInputs } from './input-charts.ts';
import { seedOption } from './options.ts';
import { bitsPerElement, fidelity, roundTrip, valuesOf, type Words } from './round-trip.ts';
import { logCodec, scaledCodec, smallFormat, type TileCodec } from './small-format.ts';
import { type Column, defineStudy, type Finding, type Row, type StudyCase, type StudyContext } from './study.ts';
import { cellText, columnOf, distinct, numberOf, tableOf } from './tables.ts';

/** Columns of a tile of the formats that bring no tile of their own: the activations' 1x128. */
const tileColumns = 128;

/** A candidate: codes in 1x128 tiles, or a scheme with its own tile and scale. */
type Candidate = { readonly codec: TileCodec } | { readonly scheme: Scheme };

const candidates = {
  e4m3: { codec: scaledCodec(knownFormats.e4m3) },
  e5m2: { codec: scaledCodec(knownFormats.e5m2) },
  e3m4: { codec: scaledCodec(smallFormat(3, 4)) },
  e2m5: { codec: scaledCodec(smallFormat(2, 5)) },
  'logfmt-8': { codec: logCodec(8) },
  e5m4: { codec: scaledCodec(smallFormat(5, 4)) },
  'logfmt-10': { codec: logCodec(10) },
  e5m6: { codec: scaledCodec(knownFormats.e5m6) },
  mxfp8: { scheme: schemePresets.mxfp8 },
  'mxfp8-e5m2': { scheme: schemePresets['mxfp8-e5m2'] },
  'mxfp6-e2m3': { scheme: schemePresets['mxfp6-e2m3'] },
  'mxfp6-e3m2': { scheme: schemePresets['mxfp6-e3m2'] },
  mxfp4: { scheme: schemePresets.mxfp4 },
  nvfp4: { scheme: schemePresets.nvfp4 },
} as const satisfies Record<string, Candidate>;

type FormatChoice = keyof typeof candidates;
const names = Object.keys(candidates) as FormatChoice[];

/** Formats of the sweep's chart; more lines could not be told apart. */
const charted: readonly FormatChoice[] = ['e4m3', 'e5m2', 'e3m4', 'logfmt-8', 'e5m6', 'logfmt-10', 'mxfp8', 'mxfp4'];

const options = {
  ...matrixOptions,
  formats: { kind: 'choices', choices: names, default: names, text: 'formats' },
  binades: {
    kind: 'integer',
    least: 1,
    most: 40,
    default: 24,
    text: 'binades below the tile amax that the sweep goes down',
  },
  seed: seedOption,
} as const;

interface FormatCase extends StudyCase {
  readonly format: FormatChoice;
  /** Undefined: the sweep over magnitudes. */
  readonly input?: string;
}

const columns: readonly Column[] = [
  { name: 'input', label: 'input', format: 'text' },
  { name: 'format', label: 'format', format: 'text' },
  { name: 'bits', label: 'bits/element', format: 'decimal' },
  { name: 'binade', label: 'binades below amax', format: 'integer' },
  { name: 'sqnr', label: 'SQNR', unit: 'dB', format: 'decimal' },
  { name: 'rms_relative_error', label: 'rms rel. error', format: 'percent' },
  { name: 'median_relative_error', label: 'median rel. error', format: 'percent' },
  { name: 'underflowed', label: 'underflowed', format: 'percent' },
];

/** Name of the rows of the sweep in the column `input`. */
const sweepInput = 'sweep';

/** A matrix through a candidate and back. */
function through(candidate: Candidate, matrix: Words): Float32Array {
  if ('scheme' in candidate) return valuesOf(roundTrip(matrix, candidate.scheme).words);
  const values = valuesOf(matrix.words);
  const out = new Float32Array(values.length);
  for (let row = 0; row < matrix.rows; row++) {
    const end = (row + 1) * matrix.columns;
    for (let at = row * matrix.columns; at < end; at += tileColumns) {
      candidate.codec.roundTrip(values, at, Math.min(at + tileColumns, end), out);
    }
  }
  return out;
}

function bitsOfCandidate(candidate: Candidate, matrix: Words): number {
  if ('scheme' in candidate) return bitsPerElement(matrix, candidate.scheme);
  const { bits, tileBits } = candidate.codec;
  return bits + (tileBits * Math.ceil(matrix.columns / tileColumns)) / matrix.columns;
}

const sweepRows = 64;
const sweepColumns = 128;
/** Philox stream of the sweep's values: far from those of the generators. */
const sweepStream = 16;

/**
 * Rows of 128 whose every 16th element is the row's amax, in [1, 2), and whose others lie `binade` binades below it, uniform within their binade
 * and of either sign: a tile of any width up to 128 has the amax in it.
 */
function sweepMatrix(seed: number, binade: number): Words {
  const random = new Uint32Array(sweepRows * sweepColumns);
  philoxWords(seed, sweepStream, 0, random);
  const words = random.map((word, i) => {
    const head = random[Math.floor(i / sweepColumns) * sweepColumns]!;
    const amax = 1 + (head >>> 9) * 2 ** -23;
    if (i % 16 === 0) return bitsOf(amax);
    // In (1/2, 1].
    const part = 1 - (word >>> 9) * 2 ** -24;
    return bitsOf((word & 1 ? -1 : 1) * amax * part * 2 ** -binade);
  });
  return { rows: sweepRows, columns: sweepColumns, words };
}

function sweepPoint(format: FormatChoice, seed: number, binade: number): Row {
  const matrix = sweepMatrix(seed, binade);
  const before = valuesOf(matrix.words);
  const after = through(candidates[format], matrix);
  let squares = 0;
  let zero = 0;
  let count = 0;
  for (let i = 0; i < before.length; i++) {
    if (i % 16 === 0) continue;
    count++;
    squares += ((after[i]! - before[i]!) / before[i]!) ** 2;
    if (after[i] === 0) zero++;
  }
  return {
    input: sweepInput,
    format,
    bits: bitsOfCandidate(candidates[format], matrix),
    binade,
    sqnr: null,
    rms_relative_error: Math.sqrt(squares / count),
    median_relative_error: null,
    underflowed: zero / count,
  };
}

async function runCase(
  { format, input }: FormatCase,
  values: { readonly binades: number; readonly seed: number },
  context: StudyContext,
): Promise<Row[]> {
  if (input === undefined) {
    const rows: Row[] = [];
    for (let binade = 0; binade <= values.binades; binade++) {
      await context.progress(binade / values.binades);
      rows.push(sweepPoint(format, values.seed, binade));
    }
    return rows;
  }
  const matrix = await context.matrix(input);
  await context.progress(0.2);
  const after = through(candidates[format], matrix);
  await context.progress(0.7);
  const { errors, medianRelative, underflowed } = fidelity(valuesOf(matrix.words), after);
  return [
    {
      input: matrix.title,
      format,
      bits: bitsOfCandidate(candidates[format], matrix),
      binade: null,
      sqnr: errors.sqnr,
      rms_relative_error: errors.relativeNorm,
      median_relative_error: medianRelative,
      underflowed,
    },
  ];
}

function sweepChart(rows: readonly Row[]): Chart {
  const here = charted.filter((format) => rows.some((row) => row.format === format));
  return {
    name: 'formats-range',
    title: 'Error of an element by how far it lies below its tile’s largest',
    subtitle: 'Root mean square of the relative error, uniform in each binade. 100 %: the element is lost.',
    kind: 'lines',
    x: { label: 'binades below the tile’s amax', scale: 'linear' },
    y: { label: 'rms relative error', scale: 'log', percent: true },
    panels: [
      {
        title: '',
        series: here.map((name) => ({
          name,
          points: rows
            .filter((row) => row.format === name)
            .map((row) => ({ x: numberOf(row.binade), y: numberOf(row.rms_relative_error) })),
        })),
      },
    ],
  };
}

function findings(rows: readonly Row[]): Finding[] {
  const say = (row: Row | undefined): string => cellText(columnOf(columns, 'sqnr'), row?.sqnr);
  return distinct(rows, 'input').flatMap((input) => {
    const of = (format: FormatChoice): Row | undefined =>
      rows.find((row) => row.input === input && row.format === format);
    if (['e4m3', 'e5m2', 'logfmt-8'].some((format) => of(format as FormatChoice) === undefined)) return [];
    return [
      {
        text: `${input}: in 1x128 tiles e4m3 has ${say(of('e4m3'))} dB, e5m2 ${say(of('e5m2'))} dB, LogFMT-8 ${say(of('logfmt-8'))} dB.`,
        published:
          'E4M3 for all tensors, as small groups share exponent bits (DeepSeek-V3 report, 3.3.2); LogFMT-8 better than E4M3 and E5M2 (2505.09343, 3.2)',
      },
    ];
  });
}

/** Small formats side by side, on the same data and over their range. */
export const formats = defineStudy({
  name: 'formats',
  title: 'Formats on the same data',
  source:
    'DeepSeek-V3 report, 3.3.2 "Mantissa over Exponents" and 3.3.3; Insights into DeepSeek-V3 (2505.09343), 3.2; OCP MX 1.0',
  question: 'How far do 4 to 12 bits go, split between exponent and mantissa or spent on a logarithm?',
  options,
  inputs: usualInputs,
  columns,
  cases: (values, inputs) => [
    ...inputs.flatMap((input) =>
      values.formats.map((format): FormatCase => ({ format, input, label: `${input}, ${format}` })),
    ),
    ...values.formats.map((format): FormatCase => ({ format, label: `sweep, ${format}` })),
  ],
  run: runCase,
  present: (rows) => {
    const data = rows.filter((row) => row.binade === null);
    const sweep = rows.filter((row) => row.binade !== null);
    const shown = ['format', 'bits', 'sqnr', 'median_relative_error', 'underflowed'];
    return {
      tables: distinct(data, 'input').map((input) =>
        tableOf(
          String(input),
          columns,
          shown,
          data.filter((row) => row.input === input),
        ),
      ),
      charts: [
        {
          name: 'formats-sqnr',
          title: 'Signal to quantization noise by format',
          subtitle:
            'Formats without a tile of their own take 1x128 tiles with an f32 scale; LogFMT keeps two f32 a tile.',
          kind: 'bars',
          x: { label: 'format', scale: 'category' },
          y: { label: 'SQNR', unit: 'dB', scale: 'linear' },
          panels: inputPanels(data, 'format', [['sqnr', '']]),
        },
        sweepChart(sweep),
      ],
      findings: findings(data),
    };
  },
});
