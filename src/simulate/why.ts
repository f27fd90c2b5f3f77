import * as Plot from '@observablehq/plot';
import { chart, ink, type Panel, picture } from '../moe/picture/frame.ts';
import { colourOf } from './gantt.ts';
import type { WhyQuestion } from './names.ts';
import { deepseekScenario } from './published.ts';
import type { Scenario } from './scenario.ts';
import { type SimulationResult, simulate } from './simulate.ts';
import { type SweepRow, sweep } from './sweep.ts';

/** An answer: a sentence with numbers, the rows behind it, a picture. */
export interface WhyAnswer {
  readonly question: WhyQuestion;
  readonly answer: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
  readonly svg: string;
}

/** Answers one of the questions on H800 nodes. */
export function why(question: WhyQuestion): WhyAnswer {
  return { '20-sms': whyTwentySms, 'two-micro-batches': whyTwoMicroBatches, '32-redundant': whyThirtyTwo }[question]();
}

const thousands = (value: number): string => `${(value / 1000).toFixed(1)}k`;

interface Curve {
  readonly name: string;
  readonly colour: string;
  readonly rows: readonly SweepRow[];
}

/** Tokens a second of a node over a setting, a line a curve, the best of each marked. */
function curvePanel(
  heading: string,
  note: string,
  label: string,
  curves: readonly Curve[],
  of: (row: SweepRow) => number,
  y: string,
): Panel {
  const points = curves.flatMap(({ name, colour, rows }) =>
    rows.map((row) => ({ name, colour, value: row.value, y: of(row) })),
  );
  const height = 240;
  return {
    heading,
    note,
    key: curves.map(({ name, colour }) => [colour, name] as const),
    height,
    chart: chart({
      height,
      x: { label, nice: true },
      y: { label: y, grid: true, zero: true, nice: true, tickFormat: 's' },
      marks: [
        Plot.line(points, { x: 'value', y: 'y', z: 'name', stroke: 'colour', strokeWidth: 2 }),
        Plot.dot(points, { x: 'value', y: 'y', fill: 'colour', r: 3 }),
        Plot.ruleY([0], { stroke: ink.muted }),
      ],
    }),
  };
}

const best = (rows: readonly SweepRow[]): SweepRow =>
  rows.reduce((top, row) => (row.result.tokensPerSecondPerNode > top.result.tokensPerSecondPerNode ? row : top));

const perNode = ({ result }: SweepRow): number => result.tokensPerSecondPerNode;

function whyTwentySms(): WhyAnswer {
  const values = [4, 8, 12, 16, 18, 20, 22, 24, 28, 32, 40];
  const curves: Curve[] = [
    {
      name: 'EP64 over 8 nodes, 8,192 tokens a GPU (the layout of training)',
      colour: ink.blue,
      rows: sweep(deepseekScenario({ nodes: 8, tokensPerGpu: 8192 }), 'comm-sms', values),
    },
    {
      name: 'EP32 over 4 nodes, 16,384 tokens a GPU (prefill)',
      colour: ink.orange,
      rows: sweep(deepseekScenario({}), 'comm-sms', values),
    },
  ];
  const [training, prefill] = curves.map(({ rows }) => best(rows));
  const answer = `${training!.value} SMs are best for EP64 (${thousands(perNode(training!))} tokens/s a node), ${prefill!.value} for EP32 (${thousands(perNode(prefill!))}): with fewer the links wait for SMs, with more the experts do.`;
  const panels = [
    curvePanel(
      'Throughput by SMs of the all-to-all',
      'two micro-batches; 132 SMs in all',
      'SMs for communication',
      curves,
      perNode,
      'tokens/s a node',
    ),
    curvePanel(
      'How busy the computing SMs are',
      'the mean over GPUs',
      'SMs for communication',
      curves,
      ({ result }) => result.utilization.computeMean,
      'share of the step',
    ),
  ];
  const rows = curves.flatMap(({ name, rows: points }) =>
    points.map(({ value, result }) => [
      name,
      value,
      Math.round(result.tokensPerSecondPerNode),
      result.utilization.computeMean.toFixed(3),
      result.bottleneck,
    ]),
  );
  return {
    question: '20-sms',
    answer,
    columns: ['layout', 'SMs', 'tokens/s a node', 'compute busy', 'bottleneck'],
    rows,
    svg: picture('Why 20 SMs for communication', answer, panels),
  };
}

function whyTwoMicroBatches(): WhyAnswer {
  const cases: readonly (readonly [name: string, scenario: Scenario])[] = [
    ['prefill, EP32', deepseekScenario({ redundant: 32 })],
    ['prefill, EP64', deepseekScenario({ nodes: 8, tokensPerGpu: 8192 })],
    ['decode, EP128', deepseekScenario({ phase: 'decode', nodes: 16, tokensPerGpu: 128 })],
    ['decode, EP144', deepseekScenario({ phase: 'decode', nodes: 18, tokensPerGpu: 88, context: 4989, redundant: 32 })],
  ];
  const results = cases.flatMap(([name, scenario]) =>
    (['none', 'two'] as const).map((overlap) => ({ name, overlap, result: simulate({ ...scenario, overlap }).result })),
  );
  const gains = cases.map(([name], at) => {
    const [none, two] = [results[2 * at]!.result, results[2 * at + 1]!.result];
    return `${name}: ${(none.seconds / two.seconds).toFixed(2)} times`;
  });
  const answer = `Two micro-batches against one: ${gains.join('; ')}.`;
  return {
    question: 'two-micro-batches',
    answer,
    columns: ['deployment', 'micro-batches', 'step ms', 'tokens/s a node', 'compute busy', 'bottleneck'],
    rows: results.map(({ name, overlap, result }) => [
      name,
      overlap === 'two' ? 2 : 1,
      (result.seconds * 1e3).toFixed(1),
      Math.round(result.tokensPerSecondPerNode),
      result.utilization.computeMean.toFixed(3),
      result.bottleneck,
    ]),
    svg: picture(
      'Why two micro-batches',
      answer,
      cases.map(([name], at) => pathPanel(name, results[2 * at]!.result, results[2 * at + 1]!.result)),
    ),
  };
}

/** What the step's time goes to, with one micro-batch and with two: the chain of tasks that decides it. */
function pathPanel(name: string, none: SimulationResult, two: SimulationResult): Panel {
  const rows = (
    [
      ['one', none],
      ['two', two],
    ] as const
  ).flatMap(([micro, { criticalPath }]) =>
    criticalPath
      .filter(([, seconds]) => seconds > 0)
      .map(([kind, seconds]) => ({ micro, kind: kind.replace(/:.*/, ''), milliseconds: seconds * 1e3 })),
  );
  const kinds = Array.from(new Set(rows.map(({ kind }) => kind)));
  const height = 96;
  return {
    heading: `${name}: ${(none.seconds * 1e3).toFixed(1)} ms with one, ${(two.seconds * 1e3).toFixed(1)} ms with two`,
    key: kinds.map((kind) => [colourOf(kind), kind] as const),
    height,
    chart: chart({
      height,
      marginTop: 6,
      x: { label: 'ms', grid: true },
      y: { label: null, domain: ['one', 'two'], padding: 0.2, tickSize: 0 },
      marks: [
        Plot.barX(
          rows,
          Plot.stackX({
            order: kinds,
            y: 'micro',
            x: 'milliseconds',
            z: 'kind',
            fill: ({ kind }: { kind: string }) => colourOf(kind),
            stroke: ink.paper,
            strokeWidth: 0.6,
          }),
        ),
      ],
    }),
  };
}

function whyThirtyTwo(): WhyAnswer {
  const values = [0, 4, 8, 16, 24, 32, 48, 64];
  const settings = [
    { name: 'skew 0.8, loads as planned', colour: ink.blue, skew: 0.8, drift: 0 },
    { name: 'skew 0.8, loads drifted by 0.2 since', colour: ink.orange, skew: 0.8, drift: 0.2 },
    { name: 'skew 0.4, loads as planned', colour: ink.grey, skew: 0.4, drift: 0 },
  ];
  const curves = settings.map(
    ({ name, colour, skew, drift }): Curve => ({
      name,
      colour,
      rows: sweep(deepseekScenario({ skew, drift }), 'redundant', values),
    }),
  );
  const [first] = curves;
  const at = (redundant: number): SweepRow => first!.rows.find(({ value }) => value === redundant)!;
  const gain = (from: number, to: number): string =>
    `${(100 * (perNode(at(to)) / perNode(at(from)) - 1)).toFixed(0)} %`;
  const slot = (at(32).expertGB - at(0).expertGB).toFixed(2);
  const answer = `A slot more on each GPU costs ${slot} GB and holds 32 duplicates: ${gain(0, 32)} more throughput than none; 32 more give ${gain(32, 64)} for as much again.`;
  const panels = [
    curvePanel(
      'Throughput by duplicated experts',
      'prefill, EP32 over 4 nodes; duplicates stay in their nodes',
      'redundant experts a layer',
      curves,
      perNode,
      'tokens/s a node',
    ),
    curvePanel(
      'Rows of the busiest GPU over the mean',
      'mean over layers',
      'redundant experts a layer',
      curves,
      ({ result }) => result.imbalance,
      'max / mean',
    ),
    curvePanel(
      'Memory of the experts',
      'routed experts of 58 layers on each GPU, in FP8',
      'redundant experts a layer',
      [first!],
      ({ expertGB }) => expertGB,
      'GB a GPU',
    ),
  ];
  return {
    question: '32-redundant',
    answer,
    columns: ['loads', 'redundant', 'tokens/s a node', 'max/mean rows', 'experts GB a GPU'],
    rows: curves.flatMap(({ name, rows }) =>
      rows.map(({ value, result, expertGB }) => [
        name,
        value,
        Math.round(result.tokensPerSecondPerNode),
        result.imbalance.toFixed(3),
        expertGB.toFixed(1),
      ]),
    ),
    svg: picture('Why 32 redundant experts', answer, panels),
  };
}
