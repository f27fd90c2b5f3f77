import { assignTokens } from './assign.ts';
import { nodeOf } from './cluster.ts';
import { type Balance, balanceOf } from './loads.ts';
import type { Placement } from './placement.ts';
import { countExperts, gpuOfToken, type Routing } from './routing.ts';
import { type TokenBytes, type Traffic, trafficOf } from './traffic.ts';

/** Where a batch of tokens goes under a placement. */
export interface Route {
  /** [expert]: tokens that chose it. */
  readonly load: Float64Array;
  readonly experts: Balance;
  /** [GPU]: choices computed there. */
  readonly gpuLoads: Float64Array;
  readonly gpus: Balance;
  /** [n]: tokens whose experts are in n nodes, from 0. */
  readonly tokensByNodes: readonly number[];
  /** [source node][expert]: choices of tokens that lie in a node. */
  readonly sourceToExpert: readonly Float64Array[];
  /** [expert][GPU]: choices of an expert computed on a GPU. */
  readonly expertToGpu: readonly Float64Array[];
  /** Choices whose expert is in another node than the token: messages over IB if each went by itself. */
  readonly crossings: number;
  readonly traffic: Traffic;
}

/** Follows every choice of a routing to the replica that the cheap rule gives it, on layer 0 of a placement. */
export function followTokens(routing: Routing, placement: Placement, bytes?: TokenBytes): Route {
  const { cluster, slotsPerGpu } = placement;
  const { physical, gpuLoads } = assignTokens(routing, placement, 0, 'hash');
  const load = countExperts(routing);
  const sourceToExpert = Array.from({ length: cluster.nodes }, () => new Float64Array(routing.experts));
  const expertToGpu = Array.from({ length: routing.experts }, () => new Float64Array(cluster.gpus));
  const tokensByNodes = new Array<number>(Math.min(cluster.nodes, routing.topK) + 1).fill(0);
  let crossings = 0;
  for (let token = 0; token < routing.tokens; token++) {
    const home = nodeOf(gpuOfToken(token, routing.tokens, cluster.gpus), cluster);
    const nodes = new Set<number>();
    for (let at = token * routing.topK; at < (token + 1) * routing.topK; at++) {
      const expert = routing.topkIdx[at]!;
      if (expert < 0) continue;
      const gpu = Math.floor(physical[at]! / slotsPerGpu);
      const node = nodeOf(gpu, cluster);
      nodes.add(node);
      if (node !== home) crossings++;
      sourceToExpert[home]![expert]!++;
      expertToGpu[expert]![gpu]!++;
    }
    tokensByNodes[nodes.size]!++;
  }
  return {
    load,
    experts: balanceOf(load),
    gpuLoads,
    gpus: balanceOf(gpuLoads),
    tokensByNodes,
    sourceToExpert,
    expertToGpu,
    crossings,
    traffic: trafficOf(routing, physical, slotsPerGpu, cluster, bytes),
  };
}
