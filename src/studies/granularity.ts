import type { Scheme } from '../numerics/scheme.ts';
import { schemePresets } from '../specs/presets.ts';
import { inputPanels, matrixOptions } from './input-charts.ts';
import { seedOption } from './options.ts';
import { bitsPerElement, fidelity, roundTrip, saturatedShare, valuesOf } from './round-trip.ts';
import { type Column, defineStudy, type Finding, type Row, type StudyCase } from './study.ts';
import { cellText, columnOf, distinct, numberOf, tableOf } from './tables.ts';

const activation: Scheme = schemePresets['activation-1x128'];

/** Tiles from the coarsest to the finest. All e4m3 with f32 scales, but for those whose name says otherwise. */
const schemes = {
  'per-tensor': schemePresets['per-tensor'],
  'per-token': schemePresets['per-token'],
  '128x128': schemePresets['weight-128x128'],
  '1x128': activation,
  '1x128-pow2': schemePresets['activation-1x128-pow2'],
  '1x64': { ...activation, tile: [1, 64] },
  'mxfp8 1x32': schemePresets.mxfp8,
  'mxfp8-rceil 1x32': schemePresets['mxfp8-rceil'],
  'nvfp4 1x16': schemePresets.nvfp4,
} as const satisfies Record<string, Scheme>;

type SchemeName = keyof typeof schemes;
const names = Object.keys(schemes) as SchemeName[];

const options = {
  ...matrixOptions,
  schemes: { kind: 'choices', choices: names, default: names, text: 'granularities' },
  seed: seedOption,
} as const;

interface GranularityCase extends StudyCase {
  readonly input: string;
  readonly scheme: SchemeName;
}

const columns: readonly Column[] = [
  { name: 'input', label: 'input', format: 'text' },
  { name: 'scheme', label: 'scale for', format: 'text' },
  { name: 'bits', label: 'bits/element', format: 'decimal' },
  { name: 'sqnr', label: 'SQNR', unit: 'dB', format: 'decimal' },
  { name: 'median_relative_error', label: 'median rel. error', format: 'percent' },
  { name: 'max_error_over_rms', label: 'max error / rms', format: 'percent' },
  { name: 'underflowed', label: 'underflowed', format: 'percent' },
  { name: 'saturated', label: 'saturated', format: 'percent' },
];

function findings(rows: readonly Row[]): Finding[] {
  return distinct(rows, 'input').flatMap((input) => {
    const of = (scheme: SchemeName): Row | undefined =>
      rows.find((row) => row.input === input && row.scheme === scheme);
    const [tensor, tile] = [of('per-tensor'), of('1x128')];
    if (tensor === undefined || tile === undefined) return [];
    const say = (row: Row, name: string): string => cellText(columnOf(columns, name), row[name]);
    const gain = numberOf(tile.sqnr) - numberOf(tensor.sqnr);
    return [
      {
        text: `${input}: one scale a tensor turns ${say(tensor, 'underflowed')} of the elements into zero, 1x128 tiles ${say(tile, 'underflowed')}; the median relative error goes from ${say(tensor, 'median_relative_error')} to ${say(tile, 'median_relative_error')}, SQNR ${gain >= 0 ? 'up' : 'down'} ${Math.abs(gain).toFixed(1)} dB.`,
      },
    ];
  });
}

/** DeepSeek-V3's fine-grained quantization: what a scale for few elements buys. */
export const granularity = defineStudy({
  name: 'granularity',
  title: 'How many elements share a scale',
  source: 'DeepSeek-V3 report, 3.3.2 "Fine-Grained Quantization"; OCP MX 1.0; NVFP4',
  question: 'What do finer scales buy on ordinary data, on outlier channels and tokens, and on your own tensor?',
  options,
  // Factors of massive activations: 64, as outlier channels often have, costs e4m3 and its 18 binades little.
  inputs: ['normal', 'outlier-channels:factor=4096', 'outlier-tokens:factor=4096'],
  columns,
  cases: (values, inputs) =>
    inputs.flatMap((input) =>
      values.schemes.map((scheme): GranularityCase => ({ input, scheme, label: `${input}, ${scheme}` })),
    ),
  async run({ input, scheme }: GranularityCase, _options, context) {
    const matrix = await context.matrix(input);
    await context.progress(0.1);
    const trip = roundTrip(matrix, schemes[scheme]);
    await context.progress(0.6);
    const { errors, medianRelative, underflowed } = fidelity(valuesOf(matrix.words), valuesOf(trip.words));
    return [
      {
        input: matrix.title,
        scheme,
        bits: bitsPerElement(matrix, schemes[scheme]),
        sqnr: errors.sqnr,
        median_relative_error: medianRelative,
        max_error_over_rms: errors.maxOverRms,
        underflowed,
        saturated: saturatedShare(matrix, trip, schemes[scheme]),
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
        name: 'granularity-sqnr',
        title: 'Signal to quantization noise by granularity',
        subtitle:
          'e4m3 but for NVFP4. Outliers dominate this figure: the median relative error below is the ordinary element’s.',
        kind: 'bars',
        x: { label: 'scale for', scale: 'category' },
        y: { label: 'SQNR', unit: 'dB', scale: 'linear' },
        panels: inputPanels(rows, 'scheme', [['sqnr', '']]),
      },
      {
        name: 'granularity-median',
        title: 'Relative error of the median element by granularity',
        kind: 'bars',
        x: { label: 'scale for', scale: 'category' },
        y: { label: 'median of |error| / |x|', scale: 'linear', percent: true },
        panels: inputPanels(rows, 'scheme', [['median_relative_error', '']]),
      },
      {
        name: 'granularity-range',
        title: 'Elements that leave the format’s range',
        subtitle: 'Underflow: not zero before, zero after. Saturation: more than half a step past the largest code.',
        kind: 'bars',
        x: { label: 'scale for', scale: 'category' },
        y: { label: 'share of elements', scale: 'linear', percent: true },
        panels: inputPanels(rows, 'scheme', [
          ['underflowed', 'underflowed'],
          ['saturated', 'saturated'],
        ]),
      },
    ],
    findings: findings(rows),
  }),
});
