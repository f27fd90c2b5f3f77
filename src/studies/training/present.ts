import type { Chart, ChartSeries } from '../chart.ts';
import type { Column, Finding, Presentation, Row, StudyTable } from '../study.ts';
import { cellText, columnOf, distinct, numberOf } from '../tables.ts';
import { baseline } from './options.ts';

/** Share of the old value in the smoothed loss: Appendix B.1 of the DeepSeek-V3 report. */
export const smoothing = 0.9;

/** The smoothed loss after one more step; `average` is undefined before the first, whose loss it then is. */
export function smoothed(average: number | undefined, loss: number): number {
  return average === undefined ? loss : smoothing * average + (1 - smoothing) * loss;
}

/** Smoothed losses, step by step. */
export function smooth(losses: readonly number[]): number[] {
  let average: number | undefined;
  return losses.map((loss) => {
    average = smoothed(average, loss);
    return average;
  });
}

export const trainingColumns: readonly Column[] = [
  { name: 'run', label: 'run', format: 'text' },
  { name: 'seed', label: 'seed', format: 'text' },
  { name: 'engine', label: 'products', format: 'text' },
  { name: 'step', label: 'step', format: 'integer' },
  { name: 'tokens', label: 'tokens', format: 'integer' },
  { name: 'loss', label: 'loss', unit: 'nats', format: 'decimal' },
  { name: 'smoothed_loss', label: 'smoothed loss', unit: 'nats', format: 'decimal' },
  { name: 'gradient_norm', label: 'gradient norm', format: 'decimal' },
  { name: 'imbalance', label: 'fullest expert / mean', format: 'decimal' },
  { name: 'validation_loss', label: 'held-out loss', unit: 'nats', format: 'decimal' },
];

/** One run's rows, in the order of its steps. */
interface Curve {
  readonly run: string;
  readonly seed: number;
  readonly engine: string;
  readonly rows: readonly Row[];
  readonly smoothed: readonly number[];
}

/** How far a curve is from another of the same seed, over the second half of the steps. */
export interface Distance {
  /** Signed mean of (a - b) / b. */
  readonly mean: number;
  /** Largest magnitude. */
  readonly most: number;
}

/** Relative difference of smoothed losses, step by step. */
function relative(a: readonly number[], b: readonly number[]): number[] {
  return a.slice(0, b.length).map((loss, step) => (loss - b[step]!) / b[step]!);
}

/** {@link Distance} of two smoothed curves. */
export function distance(a: readonly number[], b: readonly number[]): Distance {
  const later = relative(a, b).slice(Math.floor(Math.min(a.length, b.length) / 2));
  return {
    mean: later.reduce((sum, value) => sum + value, 0) / later.length,
    most: Math.max(...later.map(Math.abs)),
  };
}

function curvesOf(rows: readonly Row[]): Curve[] {
  const runs = new Map<string, Row[]>();
  for (const row of rows) {
    const key = `${row.seed} ${row.run}`;
    const own = runs.get(key);
    if (own === undefined) runs.set(key, [row]);
    else own.push(row);
  }
  return Array.from(runs.values(), (own) => ({
    run: String(own[0]!.run),
    seed: numberOf(own[0]!.seed),
    engine: String(own[0]!.engine),
    rows: own,
    smoothed: own.map((row) => numberOf(row.smoothed_loss)),
  }));
}

const percent = (share: number, signed = false): string =>
  `${signed && share > 0 ? '+' : ''}${(100 * share).toFixed(3)} %`;

/** Pairs of curves of one seed that differ by rounding alone: what any difference has to be held against. */
function noise(curves: readonly Curve[]): Distance | undefined {
  const distances = curves
    .filter(({ run }) => run === 'f32-reordered')
    .flatMap(({ seed, smoothed }) => {
      const plain = curves.find((other) => other.run === 'f32' && other.seed === seed);
      return plain === undefined ? [] : [distance(smoothed, plain.smoothed)];
    });
  return distances.reduce<Distance | undefined>(
    (largest, entry) => (largest === undefined || entry.most > largest.most ? entry : largest),
    undefined,
  );
}

function summary(curves: readonly Curve[], baselines: ReadonlyMap<number, Curve>): StudyTable {
  const cell = (name: string, value: unknown) => cellText(columnOf(trainingColumns, name), value as number);
  return {
    title: `Runs, and their smoothed loss against ${baseline} of the same seed over the second half of the steps`,
    heads: [
      'run',
      'seed',
      'products',
      'smoothed loss',
      'held-out loss',
      'mean difference',
      'largest',
      'fullest expert',
    ],
    rows: curves.map(({ run, seed, engine, rows, smoothed }) => {
      const base = baselines.get(seed);
      const apart = base === undefined || run === baseline ? undefined : distance(smoothed, base.smoothed);
      const last = rows.at(-1)!;
      return [
        run,
        String(seed),
        engine,
        cell('smoothed_loss', last.smoothed_loss),
        cell('validation_loss', last.validation_loss),
        apart === undefined ? '-' : percent(apart.mean, true),
        apart === undefined ? '-' : percent(apart.most),
        cell('imbalance', last.imbalance),
      ];
    }),
  };
}

function findings(curves: readonly Curve[], baselines: ReadonlyMap<number, Curve>): Finding[] {
  const floor = noise(curves);
  const found: Finding[] = [];
  for (const { run, seed, smoothed } of curves) {
    const base = baselines.get(seed);
    if (!run.startsWith('fp8') || base === undefined) continue;
    const { mean, most } = distance(smoothed, base.smoothed);
    const against = floor === undefined ? '' : `, and rounding alone makes ${percent(floor.most)}`;
    found.push({
      text: `${run}, seed ${seed}: smoothed loss ${percent(mean, true)} from ${baseline} on average over the second half, at most ${percent(most)}${against}.`,
      published: 'relative loss error below 0.25 % on 16B and 230B models (DeepSeek-V3 report, 3.3 and B.1)',
    });
  }
  if (floor !== undefined) {
    found.push({
      text: `Noise: f32 with every sum taken in the other order is up to ${percent(floor.most)} from f32. A difference below that says nothing of the format.`,
    });
  }
  const plain = curves.filter(({ run }) => run === 'f32');
  for (const { seed, smoothed } of plain) {
    const base = baselines.get(seed);
    if (base === undefined) continue;
    const { mean, most } = distance(smoothed, base.smoothed);
    found.push({
      text: `f32, seed ${seed}: ${percent(mean, true)} from ${baseline} on average over the second half, at most ${percent(most)}: as far as a change that harms nothing takes a run of this size.`,
    });
  }
  if (plain.length > 1) {
    const apart = Math.max(...plain.slice(1).map(({ smoothed }) => distance(smoothed, plain[0]!.smoothed).most));
    found.push({ text: `Seeds: f32 runs of different seeds are up to ${percent(apart)} apart.` });
  }
  return found;
}

/** Points of a chart's line, thinned to at most this many. */
const mostPoints = 60;

function thinned(curve: Curve, values: readonly number[], skip: number): ChartSeries['points'] {
  const every = Math.max(Math.ceil(values.length / mostPoints), 1);
  return curve.rows
    .map((row, index) => ({ x: numberOf(row.step), y: values[index]!, index }))
    .filter(({ index }) => index >= skip && (index % every === every - 1 || index === values.length - 1))
    .map(({ x, y }) => ({ x, y }));
}

function charts(curves: readonly Curve[], baselines: ReadonlyMap<number, Curve>): Chart[] {
  const several = baselines.size > 1 || new Set(curves.map(({ seed }) => seed)).size > 1;
  const named = ({ run, seed }: Curve): string => (several ? `${run}, seed ${seed}` : run);
  const x = { label: 'step', scale: 'linear' } as const;
  const loss: Chart = {
    name: 'training-loss',
    title: 'Loss of a small mixture of experts, by precision',
    subtitle: `Training loss of a character in nats, smoothed by an exponential average of ${smoothing}. Same weights and batches at the start.`,
    kind: 'lines',
    x,
    y: { label: 'smoothed loss', unit: 'nats', scale: 'linear' },
    panels: [
      { title: '', series: curves.map((curve) => ({ name: named(curve), points: thinned(curve, curve.smoothed, 0) })) },
    ],
  };
  const others = curves.filter(({ run, seed }) => run !== baseline && baselines.has(seed));
  if (others.length === 0) return [loss];
  const apart: Chart = {
    name: 'training-difference',
    title: `Relative difference of the loss from ${baseline}`,
    subtitle: 'Smoothed losses of the same seed. Lines that differ from each other by rounding alone show the noise.',
    kind: 'lines',
    x,
    y: { label: `difference from ${baseline}`, scale: 'linear', percent: true },
    panels: [
      {
        title: '',
        series: others.map((curve) => {
          const differences = relative(curve.smoothed, baselines.get(curve.seed)!.smoothed);
          return { name: named(curve), points: thinned(curve, differences, Math.floor(differences.length / 20)) };
        }),
      },
    ],
    references: [{ y: 0.0025, label: '0.25 %: DeepSeek-V3 report, 3.3' }],
  };
  return [loss, apart];
}

/** What the runs come to. */
export function presentTraining(rows: readonly Row[]): Presentation {
  const curves = curvesOf(rows);
  const baselines = new Map(curves.filter(({ run }) => run === baseline).map((curve) => [curve.seed, curve]));
  return {
    tables: distinct(rows, 'run').length > 0 ? [summary(curves, baselines)] : [],
    charts: charts(curves, baselines),
    findings: findings(curves, baselines),
  };
}
