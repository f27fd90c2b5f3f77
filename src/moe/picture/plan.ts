import * as Plot from '@observablehq/plot';
import { nodeOf } from '../cluster.ts';
import { type Balance, balanceOf, type ExpertLoads } from '../loads.ts';
import type { Moves } from '../moves.ts';
import { gpuLoads, type Placement, replicasOf } from '../placement.ts';
import type { Traffic } from '../traffic.ts';
import { chart, chartWidth, ink, type Panel, picture } from './frame.ts';

/** What the picture of a plan shows beside the placements. */
export interface PlanFigures {
  readonly source: string;
  readonly before: readonly Balance[];
  readonly after: readonly Balance[];
  readonly moves: Moves;
  readonly trafficBefore: Traffic;
  readonly trafficAfter: Traffic;
}

/** A plan as SVG: imbalance of every layer before and after, and the GPUs of the layer that was worst, expert by expert. */
export function planPicture(loads: ExpertLoads, before: Placement, after: Placement, figures: PlanFigures): string {
  const { gpus, nodes } = after.cluster;
  const worst = figures.before.reduce(
    (most, { ratio }, layer) => (ratio > figures.before[most]!.ratio ? layer : most),
    0,
  );
  const [was, is] = [
    balanceOf(figures.before.map(({ ratio }) => ratio)),
    balanceOf(figures.after.map(({ ratio }) => ratio)),
  ];
  const most = Math.max(figures.before[worst]!.most, figures.after[worst]!.most);
  const title = `The busiest of ${gpus} GPUs: ${was.mean.toFixed(2)} times the mean before, ${is.mean.toFixed(2)} after`;
  const subtitle = `${before.experts} experts, ${loads.length} layers, ${nodes} nodes; loads ${figures.source}`;
  const panels = [
    layersPanel(figures),
    gpusPanel(`Layer ${worst} before`, loads[worst]!, before, worst, most),
    gpusPanel(`Layer ${worst} after`, loads[worst]!, after, worst, most),
    trafficPanel(figures),
  ];
  return picture(title, subtitle, panels);
}

function layersPanel({ before, after }: PlanFigures): Panel {
  const rows = before.map(({ ratio }, layer) => ({ layer, before: ratio, after: after[layer]!.ratio }));
  const height = 170;
  return {
    heading: 'Every layer: load of the busiest GPU over the mean',
    key: [
      [ink.grey, 'before'],
      [ink.blue, 'after'],
    ],
    height,
    chart: chart({
      height,
      x: { type: 'point', domain: rows.map(({ layer }) => layer), label: 'layer', ticks: everyNth(rows.length, 20) },
      y: {
        label: 'max / mean',
        grid: true,
        zero: false,
        nice: true,
        domain: [1, Math.max(...rows.map((row) => row.before), ...rows.map((row) => row.after)) * 1.03],
      },
      marks: [
        Plot.link(rows, { x: 'layer', y1: 'before', y2: 'after', stroke: ink.line, strokeWidth: 2 }),
        Plot.dot(rows, { x: 'layer', y: 'before', fill: ink.grey, r: 3.5 }),
        Plot.dot(rows, { x: 'layer', y: 'after', fill: ink.blue, r: 3.5 }),
        Plot.ruleY([1], { stroke: ink.muted }),
      ],
    }),
  };
}

const everyNth = (count: number, most: number): number[] => {
  const step = Math.max(1, Math.ceil(count / most));
  return Array.from({ length: Math.ceil(count / step) }, (_, at) => at * step);
};

interface Block {
  readonly gpu: number;
  readonly from: number;
  readonly to: number;
  readonly colour: string;
}

/** The replicas of each GPU piled up, the heaviest at the bottom. */
function blocksOf(loads: ArrayLike<number>, placement: Placement, layer: number): Block[] {
  const replicas = replicasOf(placement, layer);
  const { slotsPerGpu, physicalToLogical } = placement;
  return Array.from({ length: placement.cluster.gpus }, (_, gpu) => {
    const held = physicalToLogical[layer]!.slice(gpu * slotsPerGpu, (gpu + 1) * slotsPerGpu).filter(
      (expert) => expert >= 0,
    );
    const shares = held.map((expert) => ({
      load: loads[expert]! / replicas[expert]!.length,
      copies: replicas[expert]!.length,
    }));
    let from = 0;
    return shares
      .sort((a, b) => b.load - a.load)
      .map(({ load, copies }) => {
        const block = { gpu, from, to: from + load, colour: copies > 1 ? ink.orange : ink.paleBlue };
        from += load;
        return block;
      });
  }).flat();
}

function gpusPanel(
  heading: string,
  loads: ArrayLike<number>,
  placement: Placement,
  layer: number,
  most: number,
): Panel {
  const { cluster } = placement;
  const height = 210;
  const sums = gpuLoads(placement, layer, loads);
  const { mean } = balanceOf(sums);
  const firsts = Array.from({ length: cluster.gpus }, (_, gpu) => gpu).filter(
    (gpu) => gpu === 0 || nodeOf(gpu, cluster) !== nodeOf(gpu - 1, cluster),
  );
  const marked = firsts.length > 20 ? firsts.filter((_, at) => at % 5 === 0) : firsts;
  const thin = cluster.gpus > 128;
  const blocks = blocksOf(loads, placement, layer);
  const duplicates = placement.physicalToLogical[layer]!.filter((expert) => expert >= 0).length - placement.experts;
  return {
    heading: `${heading}: busiest GPU ${(Math.max(...sums) / mean).toFixed(2)} times the mean`,
    note: `a bar is a GPU, a block an expert it holds; the line is the mean${duplicates > 0 ? `; ${duplicates} duplicates` : ''}`,
    key:
      duplicates > 0
        ? [
            [ink.paleBlue, 'one replica'],
            [ink.orange, 'several replicas'],
          ]
        : [[ink.paleBlue, 'one replica']],
    height,
    chart: chart({
      height,
      marginBottom: 34,
      x: {
        domain: Array.from({ length: cluster.gpus }, (_, gpu) => gpu),
        type: 'band',
        padding: thin ? 0 : 0.12,
        label: null,
        ticks: marked,
        tickSize: 0,
        tickFormat: (gpu: number) => `node ${nodeOf(gpu, cluster)}`,
      },
      y: { domain: [0, most * 1.02], label: 'tokens', grid: true, tickFormat: 's' },
      marks: [
        Plot.rectY(blocks, {
          x: 'gpu',
          y1: 'from',
          y2: 'to',
          fill: 'colour',
          stroke: ink.paper,
          strokeWidth: thin ? 0.2 : 0.8,
          insetLeft: 0,
        }),
        Plot.ruleY([mean], { stroke: ink.text, strokeDasharray: '4 3' }),
        Plot.ruleX(firsts.slice(1), {
          stroke: ink.muted,
          strokeOpacity: thin ? 0.2 : 0.45,
          dx: -(chartWidth - 60) / cluster.gpus / 2,
        }),
      ],
    }),
  };
}

function trafficPanel({ trafficBefore, trafficAfter, moves }: PlanFigures): Panel {
  const height = 130;
  const rows = (['dispatch', 'combine'] as const).flatMap((way) =>
    (['ib', 'nvlink'] as const).flatMap((link) => {
      const name = `${way} over ${link === 'ib' ? 'IB' : 'NVLink'}`;
      return [
        { name, when: 'before', megabytes: trafficBefore[way][link] / 1e6 },
        { name, when: 'after', megabytes: trafficAfter[way][link] / 1e6 },
      ];
    }),
  );
  return {
    heading: 'Traffic of that layer, all links together',
    note: `${moves.copies} experts copied, ${(moves.bytes / 1e9).toFixed(1)} GB, ${moves.crossNode} of them between nodes`,
    key: [
      [ink.grey, 'before'],
      [ink.blue, 'after'],
    ],
    height,
    chart: chart({
      height,
      marginLeft: 128,
      marginRight: 90,
      marginBottom: 4,
      x: { axis: null },
      fy: { domain: Array.from(new Set(rows.map(({ name }) => name))), label: null, padding: 0.25 },
      y: { axis: null, domain: ['before', 'after'], padding: 0.1 },
      marks: [
        Plot.barX(rows, {
          x: 'megabytes',
          y: 'when',
          fy: 'name',
          fill: ({ when }: { when: string }) => (when === 'before' ? ink.grey : ink.blue),
        }),
        Plot.text(rows, {
          x: 'megabytes',
          y: 'when',
          fy: 'name',
          text: ({ megabytes }: { megabytes: number }) => `${megabytes.toFixed(1)} MB`,
          dx: 5,
          textAnchor: 'start',
          fontSize: 10,
        }),
      ],
    }),
  };
}
