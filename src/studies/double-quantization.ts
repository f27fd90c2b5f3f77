import type { Scheme } from '../numerics/scheme.ts';
import { schemePresets } from '../specs/presets.ts';
import { inputPanels, matrixOptions, usualInputs } from './input-charts.ts';
import { seedOption } from './options.ts';
import { fidelity, roundTrip, valuesOf } from './round-trip.ts';
import { type Column, defineStudy, type Finding, type Row, type StudyCase } from './study.ts';
import { cellText, columnOf, distinct, tableOf } from './tables.ts';

const rows32 = schemePresets['activation-1x128'];
const rowsPow2 = schemePresets['activation-1x128-pow2'];
const columns32: Scheme = { ...rows32, tile: [128, 1] };
const columnsPow2: Scheme = { ...rowsPow2, tile: [128, 1] };

/** Ways to the 128x1 tiles of the backward pass: from high precision, or from the 1x128 tiles of the forward pass. */
const ways = {
  'once, f32': { to: columns32 },
  'once, pow2': { to: columnsPow2 },
  'f32 to f32': { from: rows32, to: columns32 },
  'f32 to pow2': { from: rows32, to: columnsPow2 },
  'pow2 to f32': { from: rowsPow2, to: columns32 },
  'pow2 to pow2': { from: rowsPow2, to: columnsPow2 },
} as const satisfies Record<string, { readonly from?: Scheme; readonly to: Scheme }>;

type WayName = keyof typeof ways;
const names = Object.keys(ways) as WayName[];

const options = {
  ...matrixOptions,
  ways: {
    kind: 'choices',
    choices: names,
    default: names,
    text: 'scales of the 1x128 tiles to scales of the 128x1 tiles',
  },
  seed: seedOption,
} as const;

interface WayCase extends StudyCase {
  readonly input: string;
  readonly way: WayName;
}

const columns: readonly Column[] = [
  { name: 'input', label: 'input', format: 'text' },
  { name: 'way', label: '1x128 to 128x1', format: 'text' },
  { name: 'sqnr', label: 'SQNR', unit: 'dB', format: 'decimal' },
  { name: 'median_relative_error', label: 'median rel. error', format: 'percent' },
  { name: 'underflowed', label: 'underflowed', format: 'percent' },
  { name: 'changed', label: 'changed by the second rounding', format: 'percent' },
];

/** Share of elements that the second quantization moved. */
function changedShare(before: Uint32Array, after: Uint32Array): number {
  let changed = 0;
  for (let i = 0; i < before.length; i++) if (before[i] !== after[i]) changed++;
  return changed / Math.max(before.length, 1);
}

function findings(rows: readonly Row[]): Finding[] {
  return distinct(rows, 'input').flatMap((input) => {
    const of = (way: WayName): Row | undefined => rows.find((row) => row.input === input && row.way === way);
    const [once, f32, pow2] = [of('once, pow2'), of('f32 to f32'), of('pow2 to pow2')];
    if (once === undefined || f32 === undefined || pow2 === undefined) return [];
    const say = (row: Row, name: string): string => cellText(columnOf(columns, name), row[name]);
    return [
      {
        text: `${input}: with power-of-two scales the second quantization moves ${say(pow2, 'changed')} of the elements (${say(pow2, 'sqnr')} dB, ${say(once, 'sqnr')} dB straight from high precision), with f32 scales ${say(f32, 'changed')} (${say(f32, 'sqnr')} dB).`,
        published:
          'scales that are powers of two "avoid introducing extra quantization error" (DeepSeek-V3 report, 3.3.3)',
      },
    ];
  });
}

/** DeepSeek-V3's cached activations: 1x128 tiles that the backward pass needs as 128x1. */
export const doubleQuantization = defineStudy({
  name: 'double-quantization',
  title: 'Quantizing twice: 1x128 tiles to 128x1 tiles',
  source: 'DeepSeek-V3 report, 3.3.3 "Low-Precision Activation" and 3.5.2',
  question:
    'What does it cost to make the 128x1 tiles of the backward pass from cached 1x128 tiles, with f32 and with power-of-two scales?',
  options,
  inputs: usualInputs,
  columns,
  cases: (values, inputs) =>
    inputs.flatMap((input) => values.ways.map((way): WayCase => ({ input, way, label: `${input}, ${way}` }))),
  async run({ input, way }: WayCase, _options, context) {
    const matrix = await context.matrix(input);
    await context.progress(0.1);
    const plan: { readonly from?: Scheme; readonly to: Scheme } = ways[way];
    const first = plan.from === undefined ? matrix.words : roundTrip(matrix, plan.from).words;
    await context.progress(0.5);
    const second = roundTrip({ ...matrix, words: first }, plan.to).words;
    const { errors, medianRelative, underflowed } = fidelity(valuesOf(matrix.words), valuesOf(second));
    return [
      {
        input: matrix.title,
        way,
        sqnr: errors.sqnr,
        median_relative_error: medianRelative,
        underflowed,
        changed: plan.from === undefined ? null : changedShare(first, second),
      },
    ];
  },
  present: (rows) => ({
    tables: distinct(rows, 'input').map((input) =>
      tableOf(
        String(input),
        columns,
        columns.slice(1).map(({ name }) => name),
        rows.filter((row) => row.input === input),
      ),
    ),
    charts: [
      {
        name: 'double-quantization-sqnr',
        title: 'SQNR of 128x1 tiles, made once or from 1x128 tiles',
        subtitle: '"f32 to pow2": 1x128 tiles with f32 scales, requantized to 128x1 tiles with power-of-two scales.',
        kind: 'bars',
        x: { label: 'way', scale: 'category' },
        y: { label: 'SQNR', unit: 'dB', scale: 'linear' },
        panels: inputPanels(rows, 'way', [['sqnr', '']]),
      },
      {
        name: 'double-quantization-changed',
        title: 'Elements that the second quantization moves',
        subtitle: 'Share of elements whose value after 1x128 differs from that after 128x1.',
        kind: 'bars',
        x: { label: 'way', scale: 'category' },
        y: { label: 'share of elements', scale: 'linear', percent: true },
        panels: inputPanels(
          rows.filter((row) => row.changed !== null),
          'way',
          [['changed', '']],
        ),
      },
    ],
    findings: findings(rows),
  }),
});
