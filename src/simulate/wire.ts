import { inputError } from '../errors.ts';
import { assignTokens, type TokenAssignment } from '../moe/assign.ts';
import { nodeOf } from '../moe/cluster.ts';
import type { Placement } from '../moe/placement.ts';
import { gpuOfToken, type Routing } from '../moe/routing.ts';
import { trafficOf } from '../moe/traffic.ts';

/** How tokens travel: `normal` dedups them by node and GPU over two hops; `low-latency` sends each of a token's rows straight to its expert. */
export type CommMode = 'normal' | 'low-latency';

/** What one layer asks of each GPU, for the tokens of one micro-batch. Token copies that travel are counts; bytes follow from the direction. */
export interface LayerWork {
  /** [GPU]: copies that its network card sends and receives at dispatch, and its NVLink. Combine is the same the other way. */
  readonly ibSent: Float64Array;
  readonly ibReceived: Float64Array;
  readonly nvlinkSent: Float64Array;
  readonly nvlinkReceived: Float64Array;
  /** [GPU]: rows that its routed experts compute, and how many experts have any. */
  readonly rows: Float64Array;
  readonly activeExperts: Float64Array;
}

/**
 * The work of a layer from routing decisions: every count is exact for the tokens given, then multiplied.
 * @param weight tokens that each given one stands for
 */
export function layerWork(
  routing: Routing,
  assignment: TokenAssignment,
  placement: Placement,
  mode: CommMode,
  weight: number,
): LayerWork {
  const links = mode === 'normal' ? twoHops(routing, assignment, placement) : direct(routing, assignment, placement);
  const { rows, activeExperts } = expertWork(assignment, placement);
  for (const counts of [...Object.values(links), rows])
    for (let gpu = 0; gpu < counts.length; gpu++) counts[gpu]! *= weight;
  return { ...links, rows, activeExperts };
}

type Links = Pick<LayerWork, 'ibSent' | 'ibReceived' | 'nvlinkSent' | 'nvlinkReceived'>;

function twoHops(routing: Routing, { physical }: TokenAssignment, placement: Placement): Links {
  const { cluster, slotsPerGpu } = placement;
  const { ibSent, ibReceived, nvlinkTokens } = trafficOf(routing, physical, slotsPerGpu, cluster);
  const nvlinkSent = new Float64Array(cluster.gpus);
  const nvlinkReceived = new Float64Array(cluster.gpus);
  nvlinkTokens.forEach((tokens, at) => {
    nvlinkSent[Math.floor(at / cluster.gpus)]! += tokens;
    nvlinkReceived[at % cluster.gpus]! += tokens;
  });
  return { ibSent, ibReceived, nvlinkSent, nvlinkReceived };
}

function direct(routing: Routing, { physical }: TokenAssignment, { cluster, slotsPerGpu }: Placement): Links {
  const zeros = (): Float64Array => new Float64Array(cluster.gpus);
  const [ibSent, ibReceived, nvlinkSent, nvlinkReceived] = [zeros(), zeros(), zeros(), zeros()];
  physical.forEach((slot, at) => {
    if (slot < 0) return;
    const from = gpuOfToken(Math.floor(at / routing.topK), routing.tokens, cluster.gpus);
    const to = Math.floor(slot / slotsPerGpu);
    if (from === to) return;
    const near = nodeOf(from, cluster) === nodeOf(to, cluster);
    (near ? nvlinkSent : ibSent)[from]!++;
    (near ? nvlinkReceived : ibReceived)[to]!++;
  });
  return { ibSent, ibReceived, nvlinkSent, nvlinkReceived };
}

function expertWork(
  { physical }: TokenAssignment,
  { cluster, slotsPerGpu }: Placement,
): Pick<LayerWork, 'rows' | 'activeExperts'> {
  const rows = new Float64Array(cluster.gpus);
  const activeExperts = new Float64Array(cluster.gpus);
  const used = new Uint8Array(cluster.gpus * slotsPerGpu);
  physical.forEach((slot) => {
    if (slot < 0) return;
    const gpu = Math.floor(slot / slotsPerGpu);
    rows[gpu]!++;
    if (used[slot] === 0) activeExperts[gpu]!++;
    used[slot] = 1;
  });
  return { rows, activeExperts };
}

/** Checks that what leaves arrives: copies sent are copies received, over either kind of link. Holds for whatever {@link layerWork} gives. */
export function checkConserved(work: LayerWork): void {
  const sum = (counts: Float64Array): number => counts.reduce((total, count) => total + count, 0);
  for (const [link, sent, received] of [
    ['IB', work.ibSent, work.ibReceived],
    ['NVLink', work.nvlinkSent, work.nvlinkReceived],
  ] as const) {
    if (sum(sent) === sum(received)) continue;
    const problem = `${sum(sent)} copies were sent over ${link} and ${sum(received)} received`;
    throw inputError(problem, 'not-conserved', link, 'this is a bug; report it with the command');
  }
}

/** Tokens of a layer to their replicas; `optimal` needs whole tokens, which routings have. */
export function assignLayer(
  routing: Routing,
  placement: Placement,
  layer: number,
  active: number | undefined,
): TokenAssignment {
  return active === undefined
    ? assignTokens(routing, placement, layer, 'hash')
    : assignTokens(routing, placement, layer, 'optimal', active);
}
