import { exitCodes, inputError } from '../errors.ts';
import { assignTokens } from '../moe/assign.ts';
import { type Balance, balanceOf, type ExpertLoads, requireRedundant } from '../moe/loads.ts';
import { type Moves, movesBetween } from '../moe/moves.ts';
import { planPicture } from '../moe/picture/plan.ts';
import { balanceOfPlacement, type Placement, placementOf, replicasOf, uniformPlacement } from '../moe/placement.ts';
import { sumOf } from '../moe/policies.ts';
import { rebalanceExperts } from '../moe/rebalance.ts';
import { planRedundancy } from '../moe/redundancy.ts';
import { type Traffic, trafficOf } from '../moe/traffic.ts';
import { type Io, paint } from './io.ts';
import {
  bytesText,
  type LoadOptions,
  readLoads,
  requireEnding,
  type Sample,
  type SampleOptions,
  sampleOf,
  writeOutput,
} from './moe.ts';
import { readPlacement } from './simulate-options.ts';
import { table } from './table.ts';

/** Options of `fp8lab moe plan`. */
export interface MoePlanOptions extends LoadOptions, SampleOptions {
  readonly nodes: number;
  readonly gpus: number;
  readonly redundant: number;
  readonly slots?: number;
  readonly policy: 'in-node' | 'hierarchical' | 'global';
  readonly groups: number;
  readonly from?: string;
  readonly out?: string;
  readonly picture?: string;
  readonly expertBytes: number;
}

/** What `moe plan` found. */
export interface PlanReport {
  readonly source: string;
  readonly before: readonly Balance[];
  readonly after: readonly Balance[];
  readonly moves: Moves;
  readonly sample: Sample;
  readonly trafficBefore: Traffic;
  readonly trafficAfter: Traffic;
}

/** `fp8lab moe plan`: which experts to duplicate and where all go, from their loads. */
export async function moePlanCommand(path: string | undefined, options: MoePlanOptions, io: Io): Promise<number> {
  requireEnding(options.out, ['.json'], '--out');
  requireEnding(options.picture, ['.svg'], '--picture');
  const read = await readLoads(path, options);
  const loads = sumOf(read.series);
  const before = await currentPlacement(loads, options);
  const after = plan(loads, before, options);
  const balanceBefore = balanceOfPlacement(before, loads);
  const worst = balanceBefore.reduce(
    (most, { ratio }, layer) => (ratio > balanceBefore[most]!.ratio ? layer : most),
    0,
  );
  const sample = sampleOf(read, loads, worst, options);
  const report: PlanReport = {
    source: read.source,
    before: balanceBefore,
    after: balanceOfPlacement(after, loads),
    moves: movesBetween(before, after, options.expertBytes),
    sample,
    trafficBefore: trafficUnder(before, sample),
    trafficAfter: trafficUnder(after, sample),
  };
  const json = planJson(after, report, options);
  if (options.out !== undefined) await writeOutput(options.out, `${JSON.stringify(json)}\n`, io);
  if (options.picture !== undefined) await writeOutput(options.picture, planPicture(loads, before, after, report), io);
  io.stdout(options.json ? `${JSON.stringify(json)}\n` : planText(after, report, io));
  return exitCodes.ok;
}

async function currentPlacement(loads: ExpertLoads, { from, nodes, gpus }: MoePlanOptions): Promise<Placement> {
  if (from === undefined) return uniformPlacement(loads.length, loads[0]!.length, { nodes, gpus });
  const placement = await readPlacement(from);
  const { cluster } = placement;
  if (cluster.nodes === nodes && cluster.gpus === gpus) return placement;
  const problem = `the plan is of ${cluster.gpus} GPUs in ${cluster.nodes} nodes, the options say ${gpus} in ${nodes}`;
  throw inputError(problem, 'bad-plan', from, 'give the --nodes and --gpus of the plan');
}

function plan(loads: ExpertLoads, before: Placement, options: MoePlanOptions): Placement {
  const { policy, redundant, slots, nodes, gpus } = options;
  if (policy === 'in-node') return planRedundancy(loads, before, { redundant, slotsPerGpu: slots });
  const groups = policy === 'global' ? 1 : options.groups;
  // Without groups that divide by the nodes EPLB is global, whatever was asked for.
  if (policy === 'hierarchical' && groups % nodes !== 0) {
    const problem = `${groups} groups do not divide by ${nodes} nodes`;
    throw inputError(problem, 'not-divisible', '--groups', 'choose groups that do, or --policy global');
  }
  requireRedundant(redundant, before.experts, gpus);
  const cluster = { nodes, gpus };
  const replicas = before.experts + redundant;
  const place = policy === 'global' ? { groups: 1, nodes: 1, gpus } : { groups, nodes, gpus };
  return placementOf(rebalanceExperts(loads, { replicas, ...place, slotsPerGpu: slots }), cluster);
}

function trafficUnder(placement: Placement, { routing, layer }: Sample): Traffic {
  const { physical } = assignTokens(routing, placement, layer, 'hash');
  return trafficOf(routing, physical, placement.slotsPerGpu, placement.cluster);
}

/** Traffic as commands print it: links without tokens left out. */
export function trafficJson(traffic: Traffic): unknown {
  const { nodeTokens, nodesPerToken, dispatch, combine } = traffic;
  const gpus = Math.round(Math.sqrt(traffic.nvlinkTokens.length));
  const nvlinkTokens = Array.from(traffic.nvlinkTokens).flatMap((tokens, at) =>
    tokens === 0 ? [] : [[Math.floor(at / gpus), at % gpus, tokens]],
  );
  return { nodeTokens, nvlinkTokens, nodesPerToken, dispatch, combine };
}

function planJson(after: Placement, report: PlanReport, { policy, redundant }: MoePlanOptions): unknown {
  const replicas = after.physicalToLogical.map((_, layer) => replicasOf(after, layer));
  const { sample } = report;
  return {
    schemaVersion: 1,
    source: report.source,
    policy,
    redundant,
    ...after,
    logicalToPhysical: replicas,
    replicaCount: replicas.map((layer) => layer.map((physicals) => physicals.length)),
    balance: { before: report.before, after: report.after },
    moves: report.moves,
    traffic: {
      layer: sample.layer,
      tokens: sample.routing.tokens,
      drawn: sample.drawn,
      before: trafficJson(report.trafficBefore),
      after: trafficJson(report.trafficAfter),
    },
  };
}

function planText(after: Placement, report: PlanReport, io: Io): string {
  const { sample, trafficBefore, trafficAfter, moves } = report;
  const ratio = (balances: readonly Balance[]): Balance => balanceOf(balances.map((balance) => balance.ratio));
  const [before, now] = [ratio(report.before), ratio(report.after)];
  const row = (name: string, from: string, to: string): string[] => [name, from, to];
  const { gpus, nodes } = after.cluster;
  const tokens = `${sample.routing.tokens} tokens ${sample.drawn ? 'drawn from its loads' : 'of the file'}`;
  return `${after.experts} experts a layer, ${report.before.length} layers, ${gpus} GPUs in ${nodes} nodes, ${after.slotsPerGpu} slots a GPU; loads ${report.source}

${table([
  row('', 'before', 'after'),
  row('max/mean load, mean over layers', before.mean.toFixed(3), paint(io, 'green', now.mean.toFixed(3))),
  row('max/mean load, worst layer', before.most.toFixed(3), paint(io, 'green', now.most.toFixed(3))),
  row(`layer ${sample.layer}, ${tokens}:`, '', ''),
  row('  dispatch over IB', bytesText(trafficBefore.dispatch.ib), bytesText(trafficAfter.dispatch.ib)),
  row('  dispatch over NVLink', bytesText(trafficBefore.dispatch.nvlink), bytesText(trafficAfter.dispatch.nvlink)),
  row('  combine over IB', bytesText(trafficBefore.combine.ib), bytesText(trafficAfter.combine.ib)),
  row('  combine over NVLink', bytesText(trafficBefore.combine.nvlink), bytesText(trafficAfter.combine.nvlink)),
  row('  nodes a token', trafficBefore.nodesPerToken.toFixed(2), trafficAfter.nodesPerToken.toFixed(2)),
])}
moves: ${moves.copies} experts copied, ${bytesText(moves.bytes)}, ${moves.crossNode} of them between nodes
${linkTable(trafficAfter)}`;
}

const widest = 16;

/** Tokens over IB for each pair of nodes, where they fit on a screen. */
export function linkTable({ nodeTokens }: Traffic): string {
  const nodes = nodeTokens.length;
  if (nodes === 1) return '';
  if (nodes > widest) return `links: ${nodes * (nodes - 1)} pairs of nodes; --json lists them\n`;
  const head = ['tokens over IB', ...nodeTokens.map((_, node) => `to ${node}`)];
  return `\n${table([head, ...nodeTokens.map((row, node) => [`from node ${node}`, ...row.map((tokens, to) => (to === node ? '-' : String(tokens)))])])}`;
}
