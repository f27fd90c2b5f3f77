import type { Chart } from '../chart.ts';
import { type OptionValues, seedOption } from '../options.ts';
import { type Column, defineStudy, type Finding, type Row, type StudyCase, type StudyContext } from '../study.ts';
import { cellText, distinct, numberOf, tableOf } from '../tables.ts';
import { minimize } from './adamw.ts';
import { leastSquares, smallNetwork } from './problems.ts';
import { type StorageName, storages } from './storage.ts';

const problems = { 'least squares': leastSquares, 'small network': smallNetwork } as const;
type ProblemName = keyof typeof problems;
const problemNames = Object.keys(problems) as ProblemName[];
const storageNames = Object.keys(storages) as StorageName[];

const options = {
  problems: { kind: 'choices', choices: problemNames, default: problemNames, text: 'convex, and not' },
  moments: { kind: 'choices', choices: storageNames, default: storageNames, text: 'how the state is kept' },
  beta2: {
    kind: 'choices',
    choices: ['0.95', '0.99', '0.999'] as const,
    default: ['0.95', '0.999'] as const,
    text: 'decay of the second moment; the report has 0.95',
  },
  steps: { kind: 'integer', least: 10, most: 10_000_000, default: 2000, text: 'steps' },
  rate: {
    kind: 'number',
    least: 1e-8,
    most: 1,
    default: 0.004,
    text: 'learning rate at the start; a tenth at the end',
  },
  repeats: { kind: 'integer', least: 1, most: 100, default: 3, text: 'runs of each, on other data from other starts' },
  decay: { kind: 'number', least: 0, most: 1, default: 0.1, text: 'weight decay' },
  seed: seedOption,
} as const;

interface OptimizerCase extends StudyCase {
  readonly problem: ProblemName;
  readonly beta2: string;
  readonly storage: StorageName;
  readonly repeat: number;
}

const columns: readonly Column[] = [
  { name: 'problem', label: 'problem', format: 'text' },
  { name: 'beta2', label: 'beta2', format: 'text' },
  { name: 'moments', label: 'state', format: 'text' },
  { name: 'repeat', label: 'repeat', format: 'integer' },
  { name: 'step', label: 'step', format: 'integer' },
  { name: 'loss', label: 'loss', format: 'scientific' },
];

/** Losses recorded along a run. */
const points = 50;

async function runCase(
  { problem, beta2, storage, repeat }: OptimizerCase,
  values: OptionValues<typeof options>,
  context: StudyContext,
): Promise<Row[]> {
  const rows: Row[] = [];
  const adam = { rate: values.rate, beta1: 0.9, beta2: Number(beta2), decay: values.decay, steps: values.steps };
  const seed = (values.seed + 101 * repeat) >>> 0;
  await minimize(problems[problem](seed), storages[storage], adam, seed, points, async (step, loss) => {
    // A run that diverged has no loss to tell.
    const row = { problem, beta2, moments: storage, repeat, step, loss: Number.isFinite(loss) ? loss : null };
    rows.push(row);
    context.watch(row);
    await context.progress(step / values.steps);
  });
  return rows;
}

/** Mean loss over the last fifth of a run: the end, with less of the noise of one batch. */
function endLoss(rows: readonly Row[]): number {
  return mean(rows.slice(-Math.max(Math.floor(rows.length / 5), 1)).map((row) => numberOf(row.loss)));
}

/** The ends of an arm's runs, and how far they are from those of f32 on the same data. */
interface End {
  readonly problem: string;
  readonly beta2: string;
  readonly moments: string;
  /** Means over the repeats. */
  readonly loss: number;
  readonly difference: number;
  /** Least and most of the repeats' differences: what chance alone may do. */
  readonly least: number;
  readonly most: number;
}

function ends(rows: readonly Row[]): End[] {
  const runs = new Map<string, Row[]>();
  for (const row of rows) {
    const key = `${row.problem}\n${row.beta2}\n${row.moments}\n${row.repeat}`;
    const run = runs.get(key);
    if (run === undefined) runs.set(key, [row]);
    else run.push(row);
  }
  const repeats = distinct(rows, 'repeat').map(numberOf);
  return distinctArms(rows).map(({ problem, beta2, moments }) => {
    const end = (storage: string, repeat: number): number =>
      endLoss(runs.get(`${problem}\n${beta2}\n${storage}\n${repeat}`) ?? []);
    const losses = repeats.map((repeat) => end(moments, repeat));
    const differences = repeats.map((repeat, i) => losses[i]! / end('f32', repeat) - 1);
    return {
      problem,
      beta2,
      moments,
      loss: mean(losses),
      difference: mean(differences),
      least: Math.min(...differences),
      most: Math.max(...differences),
    };
  });
}

function distinctArms(rows: readonly Row[]): { problem: string; beta2: string; moments: string }[] {
  const keys = new Set(rows.map(({ problem, beta2, moments }) => JSON.stringify({ problem, beta2, moments })));
  return Array.from(keys, (key) => JSON.parse(key));
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

const endColumns: readonly Column[] = [
  ...columns.slice(0, 3),
  { name: 'text', label: 'what is kept', format: 'text' },
  { name: 'loss', label: 'loss at the end', format: 'scientific' },
  { name: 'difference', label: 'against f32', format: 'percent' },
  { name: 'least', label: 'least', format: 'percent' },
  { name: 'most', label: 'most', format: 'percent' },
];

const orNull = (value: number): number | null => (Number.isFinite(value) ? value : null);

function lossChart(rows: readonly Row[], beta2: string): Chart {
  const mine = rows.filter((row) => row.beta2 === beta2);
  return {
    name: `optimizer-loss-${beta2}`,
    title: `AdamW with beta2 = ${beta2}, its state kept in fewer bits`,
    subtitle:
      'Training loss of the first repeat. "sr": stochastic rounding. FP8 state has an f32 scale for 128 values.',
    kind: 'lines',
    x: { label: 'step', scale: 'linear' },
    y: { label: 'loss', scale: 'log' },
    panels: distinct(mine, 'problem').map((problem) => ({
      title: String(problem),
      series: distinct(mine, 'moments').map((moments) => ({
        name: String(moments),
        points: mine
          .filter((row) => row.problem === problem && row.moments === moments && row.repeat === 0)
          .map((row) => ({ x: numberOf(row.step), y: numberOf(row.loss) })),
      })),
    })),
  };
}

function endChart(all: readonly End[]): Chart {
  const names = Array.from(new Set(all.map(({ beta2 }) => beta2)));
  const shown = all.map(({ difference }) => difference).filter(Number.isFinite);
  return {
    name: 'optimizer-end',
    title: 'Loss at the end against that with f32 state',
    subtitle: 'Mean over the last fifth of the steps and over the repeats; cut at +100 %.',
    kind: 'dots',
    x: { label: 'state', scale: 'category' },
    y: { label: 'loss against f32', scale: 'linear', percent: true, domain: [Math.min(...shown, 0) - 0.03, 1.02] },
    panels: Array.from(new Set(all.map(({ problem }) => problem))).map((problem) => ({
      title: problem,
      series: names.map((beta2) => ({
        name: `beta2 = ${beta2}`,
        points: all
          .filter((end) => end.problem === problem && end.beta2 === beta2 && end.moments !== 'f32')
          .map(({ moments, difference }) => ({ x: moments, y: orNull(Math.min(difference, 1)) })),
      })),
    })),
  };
}

function findings(all: readonly End[]): Finding[] {
  const say = (value: number): string =>
    Number.isFinite(value) ? `${value >= 0 ? '+' : ''}${cellText({ format: 'percent' }, value)}` : 'diverged';
  const groups = Array.from(new Set(all.map(({ problem, beta2 }) => `${problem}, beta2 = ${beta2}`)));
  return groups.flatMap((group) => {
    const mine = all.filter(({ problem, beta2 }) => `${problem}, beta2 = ${beta2}` === group);
    const told = mine
      .filter(({ moments }) => moments !== 'f32')
      .map((end) => `${end.moments} ${say(end.difference)} (${say(end.least)} to ${say(end.most)})`);
    if (told.length === 0 || Number.isNaN(mine[0]!.difference)) return [];
    return [
      {
        text: `${group}, loss at the end against f32: ${told.join(', ')}.`,
        ...(group.endsWith('0.95') && {
          published:
            'moments in BF16 "without incurring observable performance degradation" (DeepSeek-V3 report, 3.3.3)',
        }),
      },
    ];
  });
}

/** DeepSeek-V3's low-precision optimizer states, and what lies beyond them. */
export const optimizer = defineStudy({
  name: 'optimizer',
  title: 'AdamW with its state in fewer bits',
  source: 'DeepSeek-V3 report, 3.3.3 "Low-Precision Optimizer States"; section 4.2 for beta2 and decay',
  question:
    'How few bits will the moments of AdamW do with, what does stochastic rounding mend, and why are master weights f32?',
  options,
  columns,
  live: { x: 'step', y: 'loss', series: 'moments' },
  cases: (values) =>
    values.problems.flatMap((problem) =>
      values.beta2.flatMap((beta2) =>
        values.moments.flatMap((storage) =>
          Array.from({ length: values.repeats }, (_, repeat): OptimizerCase => {
            const label = `${problem}, beta2 ${beta2}, ${storage}, repeat ${repeat + 1}`;
            return { problem, beta2, storage, repeat, label };
          }),
        ),
      ),
    ),
  run: runCase,
  present: (rows) => {
    const all = ends(rows);
    const cells = all.map((end) => ({
      ...end,
      text: storages[end.moments as StorageName].text,
      loss: orNull(end.loss),
      difference: orNull(end.difference),
      least: orNull(end.least),
      most: orNull(end.most),
    }));
    return {
      tables: [
        tableOf(
          'Loss at the end of the run',
          endColumns,
          endColumns.map(({ name }) => name),
          cells,
        ),
      ],
      charts: [...distinct(rows, 'beta2').map((beta2) => lossChart(rows, String(beta2))), endChart(all)],
      findings: findings(all),
    };
  },
});
