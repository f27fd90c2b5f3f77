import * as Plot from '@observablehq/plot';
import { nodeOf } from '../cluster.ts';
import type { Placement } from '../placement.ts';
import type { Route } from '../route.ts';
import { bandEnds, bandPath, type Slot, stackBars } from './bands.ts';
import { chart, chartWidth, ink, label, type Panel, picture } from './frame.ts';

/** What the picture of a route shows beside it. */
export interface RouteFigures {
  readonly source: string;
  /** Groups of experts of the gate. */
  readonly groups: number;
  /** [token]: how far the last expert chosen ranks above the first left out; Inf where there was none. */
  readonly gaps: Float32Array;
  /** Gaps below it are near ties. */
  readonly nearTie: number;
}

/** A batch of tokens as SVG: from their nodes to groups, experts and GPUs, how many nodes each goes to, how near its choice was. */
export function routePicture(route: Route, placement: Placement, figures: RouteFigures): string {
  const { experts, gpus, traffic } = route;
  const tokens = route.tokensByNodes.reduce((sum, count) => sum + count, 0);
  const { cluster } = placement;
  const title = `Busiest expert ${experts.ratio.toFixed(2)}, busiest GPU ${gpus.ratio.toFixed(2)} times the mean; ${traffic.nodesPerToken.toFixed(2)} nodes a token`;
  const subtitle = `${tokens} tokens, ${placement.experts} experts on ${cluster.gpus} GPUs in ${cluster.nodes} nodes; ${figures.source}`;
  return picture(title, subtitle, [
    flowPanel(route, placement, figures.groups),
    nodesPanel(route, tokens),
    gapsPanel(figures, tokens),
  ]);
}

const columns = [64, 330, 620, chartWidth - 84] as const;
const bar = 12;

function columnSums(rows: readonly Float64Array[], size: number): Float64Array {
  const sums = new Float64Array(Math.ceil(rows[0]!.length / size));
  for (const row of rows) {
    row.forEach((count, at) => {
      sums[Math.floor(at / size)]! += count;
    });
  }
  return sums;
}

function flowPanel(route: Route, placement: Placement, groupCount: number): Panel {
  const height = 620;
  const { load, gpuLoads, sourceToExpert } = route;
  const size = load.length / groupCount;
  const sources = sourceToExpert.map((row) => row.reduce((sum, count) => sum + count, 0));
  const groups = columnSums(sourceToExpert, size);
  const room = { top: 28, height: height - 32 };
  const gap = load.length > 128 ? 0.6 : 1.5;
  const bars = [
    stackBars(sources, 10, room),
    stackBars(groups, 8, room),
    stackBars(load, gap, room),
    stackBars(gpuLoads, gpuLoads.length > 64 ? 1 : 5, room),
  ] as const;
  const bands = [
    ...sourceBands(sourceToExpert, bars, { sources, groups, size }),
    ...expertBands(route, bars, { groups, size }),
  ];
  const { mean } = route.experts;
  const blocks = bars.flatMap((column, at) =>
    column.map(({ y, size: tall }, index) => {
      const colour = at === 2 && load[index]! > 1.5 * mean ? ink.orange : ink.text;
      return `<rect x="${columns[at]}" y="${y.toFixed(2)}" width="${bar}" height="${Math.max(tall, 0.4).toFixed(2)}" fill="${colour}"/>`;
    }),
  );
  return {
    heading: 'From tokens to GPUs: a band is as wide as the choices it carries',
    key: [
      [ink.blue, 'even groups'],
      [ink.green, 'odd groups'],
      [ink.orange, 'experts over 1.5 times the mean'],
    ],
    height,
    chart: [...heads(), ...bands, ...blocks, ...names(bars, placement)].join('\n'),
  };
}

const heads = (): string[] =>
  ['tokens of', 'groups', 'experts', 'computed on'].map((head, at) =>
    label(columns[at]! + bar / 2, 14, head, 12, ink.muted, 'text-anchor="middle"'),
  );

function names(bars: readonly (readonly Slot[])[], { cluster }: Placement): string[] {
  const middle = ({ y, size }: Slot): number => Number((y + size / 2 + 4).toFixed(2));
  const before = (column: number, slots: readonly Slot[], name: (at: number) => string): string[] =>
    slots.map((slot, at) => label(columns[column]! - 6, middle(slot), name(at), 11, ink.muted, 'text-anchor="end"'));
  const perNode = cluster.gpus / cluster.nodes;
  const after = bars[3]!.flatMap((slot, gpu) => {
    const every = cluster.gpus > 64 ? perNode : 1;
    const name = gpu % perNode === 0 ? `GPU ${gpu}, node ${nodeOf(gpu, cluster)}` : `GPU ${gpu}`;
    return gpu % every === 0 ? [label(columns[3] + bar + 6, middle(slot), name, 11, ink.muted)] : [];
  });
  return [...before(0, bars[0]!, (node) => `node ${node}`), ...before(1, bars[1]!, String), ...after];
}

const bandOf = (x0: number, from: Slot, x1: number, to: Slot, group: number): string =>
  `<path d="${bandPath(x0, from, x1, to)}" fill="${group % 2 === 0 ? ink.blue : ink.green}" fill-opacity="0.3"/>`;

function sourceBands(
  sourceToExpert: readonly Float64Array[],
  bars: readonly (readonly Slot[])[],
  { sources, groups, size }: { sources: readonly number[]; groups: Float64Array; size: number },
): string[] {
  const leave = bandEnds(bars[0]!, sources);
  const arrive = bandEnds(bars[1]!, groups);
  return sourceToExpert.flatMap((row, source) =>
    Array.from(columnSums([row], size), (count, group) =>
      count === 0 ? '' : bandOf(columns[0] + bar, leave(source, count), columns[1], arrive(group, count), group),
    ),
  );
}

function expertBands(
  { load, gpuLoads, expertToGpu }: Route,
  bars: readonly (readonly Slot[])[],
  { groups, size }: { groups: Float64Array; size: number },
): string[] {
  const fromGroup = bandEnds(bars[1]!, groups);
  const fromExpert = bandEnds(bars[2]!, load);
  const intoGpu = bandEnds(bars[3]!, gpuLoads);
  return Array.from(load, (tokens, expert) => {
    if (tokens === 0) return '';
    const group = Math.floor(expert / size);
    const own = bandOf(columns[1] + bar, fromGroup(group, tokens), columns[2], bars[2]![expert]!, group);
    const onward = Array.from(expertToGpu[expert]!, (count, gpu) =>
      count === 0 ? '' : bandOf(columns[2] + bar, fromExpert(expert, count), columns[3], intoGpu(gpu, count), group),
    );
    return [own, ...onward].join('');
  });
}

function nodesPanel({ tokensByNodes, traffic, crossings }: Route, tokens: number): Panel {
  const height = 150;
  const rows = tokensByNodes.map((count, nodes) => ({ nodes, share: count / tokens }));
  const once = traffic.nodeTokens.flat().reduce((sum, count) => sum + count, 0);
  return {
    heading: 'Nodes that a token goes to',
    note: `over IB ${once} messages, each token once a node; ${crossings} if every choice went by itself`,
    height,
    chart: chart({
      height,
      marginBottom: 34,
      x: { type: 'band', label: 'nodes', padding: 0.3 },
      y: { label: 'share of tokens', domain: [0, 1], ticks: 4, grid: true, tickFormat: '%' },
      marks: [Plot.barY(rows, { x: 'nodes', y: 'share', fill: ink.blue }), Plot.ruleY([0], { stroke: ink.muted })],
    }),
  };
}

function gapsPanel({ gaps, nearTie }: RouteFigures, tokens: number): Panel {
  const height = 170;
  const finite = Array.from(gaps).filter(Number.isFinite);
  const decades = finite.map((gap) => Math.max(-9, Math.log10(gap)));
  const near = finite.filter((gap) => gap < nearTie).length;
  return {
    heading: 'How near each choice was: the last expert chosen over the first left out',
    note: `${near} of ${tokens} tokens under ${nearTie.toExponential()}: those may choose otherwise where exp comes from another library`,
    height,
    chart: chart({
      height,
      marginBottom: 34,
      x: { label: 'gap', domain: [-9, 0.5], tickFormat: (power: number) => (power === -9 ? '0' : `1e${power}`) },
      y: { label: 'tokens', grid: true },
      marks: [
        Plot.rectY(decades, { ...Plot.binX({ y: 'count' }, { thresholds: 38 }), fill: ink.blue, inset: 0.5 }),
        Plot.ruleX([Math.log10(nearTie)], { stroke: ink.orange, strokeDasharray: '4 3' }),
        Plot.ruleY([0], { stroke: ink.muted }),
      ],
    }),
  };
}
