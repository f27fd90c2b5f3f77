import * as Plot from '@observablehq/plot';
import { chart, ink, type Panel, picture } from '../moe/picture/frame.ts';
import { colourOf } from './gantt.ts';
import type { WhyQuestion } from './names.ts';
import { curvesOf, sharesOfBest, type WhyData, type WhyPoint } from './why-curves.ts';
import { whyData } from './why-data.ts';

/** An answer with its picture. */
export interface WhyAnswer extends WhyData {
  readonly svg: string;
}

/** Answers one of the questions on H800 nodes, with a plot. */
export function why(question: WhyQuestion): WhyAnswer {
  const data = whyData(question);
  return { ...data, svg: pictures[question](data) };
}

const colours = [ink.blue, ink.orange, ink.grey];

/** A figure of each point over a setting, a line a curve. */
function curvePanel(
  [heading, note, label]: readonly [heading: string, note: string, label: string],
  points: readonly WhyPoint[],
  y: string,
  of: (point: WhyPoint, index: number) => number,
): Panel {
  const names = Array.from(curvesOf(points).keys());
  const colour = (curve: string): string => colours[names.indexOf(curve)]!;
  const rows = points.map((point, i) => ({ ...point, y: of(point, i), colour: colour(point.curve) }));
  const height = 240;
  return {
    heading,
    note,
    key: names.map((name) => [colour(name), name] as const),
    height,
    chart: chart({
      height,
      x: { label, nice: true },
      y: { label: y, grid: true, zero: true, nice: true, tickFormat: 's' },
      marks: [
        Plot.line(rows, { x: 'value', y: 'y', z: 'curve', stroke: 'colour', strokeWidth: 2 }),
        Plot.dot(rows, { x: 'value', y: 'y', fill: 'colour', r: 3 }),
        Plot.ruleY([0], { stroke: ink.muted }),
      ],
    }),
  };
}

function twentySms({ points, answer }: WhyData): string {
  const shares = sharesOfBest(points);
  const label = 'SMs for communication';
  return picture('Why 20 SMs for communication', answer, [
    curvePanel(
      ['Throughput by SMs of the all-to-all', 'two micro-batches; 132 SMs in all; 1 is the best of each line', label],
      points,
      'of the best',
      (_, i) => shares[i]!,
    ),
    curvePanel(
      ['How busy the computing SMs are', 'the mean over GPUs', label],
      points,
      'share of the step',
      ({ result }) => result.utilization.computeMean,
    ),
    curvePanel(
      ['How busy the all-to-all is', 'the mean over GPUs', label],
      points,
      'share of the step',
      ({ result }) => result.utilization.commMean,
    ),
  ]);
}

function twoMicroBatches({ points, answer }: WhyData): string {
  const panels = Array.from(curvesOf(points), ([name, [one, two]]) => pathPanel(name, one!, two!));
  return picture('Why two micro-batches', answer, panels);
}

/** What the step's time goes to, with one micro-batch and with two: the chain of tasks that decides it. */
function pathPanel(name: string, one: WhyPoint, two: WhyPoint): Panel {
  const rows = [one, two].flatMap(({ value, result }) =>
    result.criticalPath
      .filter(([, seconds]) => seconds > 0)
      .map(([kind, seconds]) => ({
        micro: value === 1 ? 'one' : 'two',
        kind: kind.replace(/:.*/, ''),
        milliseconds: seconds * 1e3,
      })),
  );
  const kinds = Array.from(new Set(rows.map(({ kind }) => kind)));
  const height = 96;
  const ms = ({ result }: WhyPoint): string => `${(result.seconds * 1e3).toFixed(1)} ms`;
  return {
    heading: `${name}: ${ms(one)} with one, ${ms(two)} with two`,
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

function thirtyTwo({ points, answer }: WhyData): string {
  const label = 'redundant experts a layer';
  const [first] = Array.from(curvesOf(points).values());
  return picture('Why 32 redundant experts', answer, [
    curvePanel(
      ['Throughput by duplicated experts', 'prefill, EP32 over 4 nodes; duplicates stay in their nodes', label],
      points,
      'tokens/s a node',
      ({ result }) => result.tokensPerSecondPerNode,
    ),
    curvePanel(
      ['Rows of the busiest GPU over the mean', 'mean over layers', label],
      points,
      'max / mean',
      ({ result }) => result.imbalance,
    ),
    curvePanel(
      ['Memory of the experts', 'routed experts of 58 layers on each GPU, in FP8', label],
      first!,
      'GB a GPU',
      ({ expertGB }) => expertGB!,
    ),
  ]);
}

const pictures: Readonly<Record<WhyQuestion, (data: WhyData) => string>> = {
  '20-sms': twentySms,
  'two-micro-batches': twoMicroBatches,
  '32-redundant': thirtyTwo,
};
