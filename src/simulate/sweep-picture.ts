import * as Plot from '@observablehq/plot';
import { chart, ink, type Panel, picture } from '../moe/picture/frame.ts';
import type { SweepAxis } from './names.ts';
import type { Scenario } from './scenario.ts';
import type { SweepRow } from './sweep.ts';

/** A sweep as SVG: throughput, and how busy SMs and links are. */
export function sweepPicture(axis: SweepAxis, rows: readonly SweepRow[], scenario: Scenario): string {
  const top = rows.reduce((best, row) =>
    row.result.tokensPerSecondPerNode > best.result.tokensPerSecondPerNode ? row : best,
  );
  const title = `Best at ${axis} ${top.value}: ${Math.round(top.result.tokensPerSecondPerNode)} tokens/s a node`;
  const subtitle = `${scenario.phase}, ${scenario.nodes} nodes of ${scenario.hardware.name}, ${scenario.tokensPerGpu} tokens a GPU`;
  return picture(title, subtitle, [throughput(axis, rows), shares(axis, rows)]);
}

function throughput(axis: SweepAxis, rows: readonly SweepRow[]): Panel {
  const points = rows.map(({ value, result }) => ({ value, y: result.tokensPerSecondPerNode }));
  const height = 220;
  return {
    heading: 'Throughput',
    height,
    chart: chart({
      height,
      x: { label: axis, nice: true },
      y: { label: 'tokens/s a node', grid: true, zero: true, nice: true, tickFormat: 's' },
      marks: [
        Plot.line(points, { x: 'value', y: 'y', stroke: ink.blue, strokeWidth: 2 }),
        Plot.dot(points, { x: 'value', y: 'y', fill: ink.blue, r: 3 }),
        Plot.ruleY([0], { stroke: ink.muted }),
      ],
    }),
  };
}

function shares(axis: SweepAxis, rows: readonly SweepRow[]): Panel {
  const lines = [
    ['computing SMs, mean', ink.green, ({ result }: SweepRow) => result.utilization.computeMean],
    ['busiest IB port', ink.orange, ({ result }: SweepRow) => result.utilization.ib],
    ['busiest NVLink port', ink.purple, ({ result }: SweepRow) => result.utilization.nvlink],
  ] as const;
  const points = lines.flatMap(([name, colour, of]) =>
    rows.map((row) => ({ name, colour, value: row.value, y: of(row) })),
  );
  const height = 220;
  return {
    heading: 'Busy share of the step',
    key: lines.map(([name, colour]) => [colour, name] as const),
    height,
    chart: chart({
      height,
      x: { label: axis, nice: true },
      y: { label: 'share', grid: true, domain: [0, 1] },
      marks: [
        Plot.line(points, { x: 'value', y: 'y', z: 'name', stroke: 'colour', strokeWidth: 2 }),
        Plot.dot(points, { x: 'value', y: 'y', fill: 'colour', r: 2.5 }),
        Plot.ruleY([0], { stroke: ink.muted }),
      ],
    }),
  };
}
