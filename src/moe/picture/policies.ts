import * as Plot from '@observablehq/plot';
import type { Policy, PolicyResult } from '../policies.ts';
import { chart, ink, type Panel, picture } from './frame.ts';

const colours: Readonly<Record<Policy, string>> = {
  even: ink.grey,
  once: ink.purple,
  replanned: ink.blue,
  dynamic: ink.orange,
};

/** What a picture of policies needs beside the results. */
export interface PolicyFigures {
  readonly title: string;
  /** Steps before the first that is shown. */
  readonly window: number;
  readonly bytesPerExpert: number;
}

/** A series of loads under several policies, as SVG: imbalance step by step, and the bytes of every plan. */
export function policiesPicture(
  results: readonly PolicyResult[],
  names: Readonly<Record<Policy, string>>,
  figures: PolicyFigures,
): string {
  const key = results.map(({ policy }) => [colours[policy], names[policy]] as const);
  const mean = (policy: Policy): string => {
    const { steps } = results.find((result) => result.policy === policy)!;
    return (steps.reduce((sum, step) => sum + step.mean, 0) / steps.length).toFixed(2);
  };
  const title = `Busiest GPU over the mean: ${mean('even')} even, ${mean('replanned')} re-planned, ${mean('dynamic')} dynamic`;
  const panels = [
    imbalance(results, key, figures, 'mean'),
    imbalance(results, key, figures, 'worst'),
    copies(results, figures),
  ];
  return picture(title, figures.title, panels);
}

function imbalance(
  results: readonly PolicyResult[],
  key: Panel['key'],
  { window }: PolicyFigures,
  of: 'mean' | 'worst',
): Panel {
  const rows = results.flatMap(({ policy, steps }) =>
    steps.map((step, at) => ({ policy, step: window + at, ratio: step[of] })),
  );
  const height = 210;
  return {
    heading: of === 'mean' ? 'Mean over layers of max / mean load' : 'The worst layer',
    ...(of === 'mean' ? { key } : {}),
    height,
    chart: chart({
      height,
      x: { label: 'step', ticks: Math.min(20, results[0]!.steps.length), tickFormat: 'd' },
      y: { label: 'max / mean', grid: true, domain: [1, Math.max(...rows.map(({ ratio }) => ratio)) * 1.04] },
      marks: [
        Plot.line(rows, {
          x: 'step',
          y: 'ratio',
          z: 'policy',
          stroke: ({ policy }: { policy: Policy }) => colours[policy],
          strokeWidth: 2,
        }),
        Plot.dot(rows, { x: 'step', y: 'ratio', fill: ({ policy }: { policy: Policy }) => colours[policy], r: 2.5 }),
        Plot.ruleY([1], { stroke: ink.muted }),
      ],
    }),
  };
}

function copies(results: readonly PolicyResult[], { bytesPerExpert }: PolicyFigures): Panel {
  const rows = results.flatMap(({ policy, replans }) =>
    replans.map(({ step, moves }) => ({ policy, step, gigabytes: (moves.copies * bytesPerExpert) / 1e9 })),
  );
  const height = 130;
  return {
    heading: 'Gigabytes of experts copied at each plan, all GPUs together',
    height,
    chart: chart({
      height,
      x: {
        label: 'step',
        type: 'band',
        domain: Array.from(new Set(rows.map(({ step }) => step))).sort((a, b) => a - b),
        padding: 0.2,
      },
      y: { label: 'GB', grid: true },
      fx: { domain: ['replanned', 'dynamic'], axis: null, padding: 0.08 },
      marks: [
        Plot.barY(rows, {
          x: 'step',
          y: 'gigabytes',
          fx: 'policy',
          fill: ({ policy }: { policy: Policy }) => colours[policy],
        }),
        Plot.ruleY([0], { stroke: ink.muted }),
      ],
    }),
  };
}
