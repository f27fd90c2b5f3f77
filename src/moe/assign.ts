import { inputError } from '../errors.ts';
import { nodeOf } from './cluster.ts';
import { type Assignment, assignOptimally } from './optimum.ts';
import { hostsOf, type Placement, replicasOf } from './placement.ts';
import { countExperts, gpuOfToken, type Routing } from './routing.ts';

/** How a token finds the replica of an expert it is routed to. */
export type ReplicaRule = 'hash' | 'optimal';

/** Where the tokens of a layer go. */
export interface TokenAssignment {
  /** [token * topK + slot]: the physical expert; -1 where the slot is masked. */
  readonly physical: Int32Array;
  /** [GPU]: (token, slot) pairs that it computes. */
  readonly gpuLoads: Float64Array;
  /** The optimum at the level of counts; only of the rule `optimal`. */
  readonly optimum?: Assignment;
}

/**
 * The cheap rule: replica (rank + token * 23333) mod count, of the expert-parallel rank and the token's index there (TileKernels `topk`).
 * Exact whole numbers: nothing wraps, as in the rule's Python reference (32-bit kernels wrap at token 184,073).
 */
export function hashReplica(rank: number, token: number, count: number): number {
  return (rank + token * 23333) % count;
}

/** Sends every (token, expert) pair to a replica. @param active experts a GPU may activate, of the rule `optimal` */
export function assignTokens(
  routing: Routing,
  placement: Placement,
  layer: number,
  rule: ReplicaRule,
  active?: number,
): TokenAssignment {
  checkRouting(routing, placement);
  return rule === 'hash' ? assignByHash(routing, placement, layer) : assignByOptimum(routing, placement, layer, active);
}

function checkRouting({ experts }: Routing, placement: Placement): void {
  if (experts === placement.experts) return;
  const problem = `the tokens are routed to ${experts} experts, the placement has ${placement.experts}`;
  throw inputError(problem, 'wrong-length', 'routing', 'place the experts that the tokens are routed to');
}

function assignByHash(routing: Routing, placement: Placement, layer: number): TokenAssignment {
  const replicas = replicasOf(placement, layer);
  const physical = new Int32Array(routing.topkIdx.length).fill(-1);
  const gpuLoads = new Float64Array(placement.cluster.gpus);
  const tokensPerGpu = Math.ceil(routing.tokens / placement.cluster.gpus);
  for (let token = 0; token < routing.tokens; token++) {
    const rank = gpuOfToken(token, routing.tokens, placement.cluster.gpus);
    for (let at = token * routing.topK; at < (token + 1) * routing.topK; at++) {
      const expert = routing.topkIdx[at]!;
      if (expert < 0) continue;
      const choices = replicas[expert]!;
      physical[at] = choices[hashReplica(rank, token % tokensPerGpu, choices.length)]!;
      gpuLoads[Math.floor(physical[at]! / placement.slotsPerGpu)]!++;
    }
  }
  return { physical, gpuLoads };
}

/** Counts first, then tokens: each takes the replica nearest to it that has tokens to give: own GPU, own node, then the order of GPUs. */
function assignByOptimum(routing: Routing, placement: Placement, layer: number, active?: number): TokenAssignment {
  const { cluster, slotsPerGpu } = placement;
  const hosts = hostsOf(placement, layer);
  const optimum = assignOptimally({ counts: countExperts(routing), hosts, gpus: cluster.gpus, active });
  const slotOn = slotsByGpu(placement, layer);
  const left = optimum.tokens.map((row) => [...row]);
  const physical = new Int32Array(routing.topkIdx.length).fill(-1);
  for (let token = 0; token < routing.tokens; token++) {
    const home = gpuOfToken(token, routing.tokens, cluster.gpus);
    for (let at = token * routing.topK; at < (token + 1) * routing.topK; at++) {
      const expert = routing.topkIdx[at]!;
      if (expert < 0) continue;
      const choice = nearest(hosts[expert]!, left[expert]!, home, (gpu) => nodeOf(gpu, cluster));
      left[expert]![choice]!--;
      const gpu = hosts[expert]![choice]!;
      physical[at] = gpu * slotsPerGpu + slotOn[gpu]!.get(expert)!;
    }
  }
  return { physical, gpuLoads: Float64Array.from(optimum.gpuLoads), optimum };
}

function nearest(
  hosts: readonly number[],
  left: readonly number[],
  home: number,
  node: (gpu: number) => number,
): number {
  let found = -1;
  let distance = 3;
  for (let at = 0; at < hosts.length; at++) {
    if (left[at] === 0) continue;
    const away = hosts[at] === home ? 0 : node(hosts[at]!) === node(home) ? 1 : 2;
    if (away < distance) [found, distance] = [at, away];
  }
  return found;
}

/** [GPU]: the slot of each expert it holds, the first where it holds one twice. */
function slotsByGpu({ cluster, slotsPerGpu, physicalToLogical }: Placement, layer: number): Map<number, number>[] {
  return Array.from({ length: cluster.gpus }, (_, gpu) => {
    const slots = new Map<number, number>();
    for (let slot = slotsPerGpu - 1; slot >= 0; slot--)
      slots.set(physicalToLogical[layer]![gpu * slotsPerGpu + slot]!, slot);
    return slots;
  });
}
