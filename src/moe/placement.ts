import { inputError } from '../errors.ts';
import { type Cluster, checkCluster, nodeOf } from './cluster.ts';
import { type Balance, balanceOf, type ExpertLoads, requireCount, requireDivisible } from './loads.ts';
import type { RebalancedExperts } from './rebalance.ts';

/** Which expert each slot of each GPU holds. Slot s of GPU g is physical expert g * slotsPerGpu + s. */
export interface Placement {
  readonly cluster: Cluster;
  /** Logical experts of a layer. */
  readonly experts: number;
  readonly slotsPerGpu: number;
  /** [layer][physical]: the logical expert; -1 where the slot is empty. */
  readonly physicalToLogical: readonly (readonly number[])[];
}

/** Experts in the order of their index, the same number on every GPU, no duplicates: how a layer is placed before anything is known of its loads. */
export function uniformPlacement(layers: number, experts: number, cluster: Cluster): Placement {
  requireCount(layers, 'layers');
  requireCount(experts, 'experts');
  checkCluster(cluster);
  requireDivisible(experts, 'experts', cluster.gpus, 'gpus');
  const row = Array.from({ length: experts }, (_, expert) => expert);
  const physicalToLogical = Array.from({ length: layers }, () => row);
  return { cluster, experts, slotsPerGpu: experts / cluster.gpus, physicalToLogical };
}

/** The answer of `rebalanceExperts` as a placement on its cluster. */
export function placementOf({ physicalToLogical, replicaCount }: RebalancedExperts, cluster: Cluster): Placement {
  const slotsPerGpu = physicalToLogical[0]!.length / cluster.gpus;
  return { cluster, experts: replicaCount[0]!.length, slotsPerGpu, physicalToLogical };
}

/** Checks a placement that came from outside: sizes fit, slots name experts, every expert is placed. */
export function checkPlacement(placement: Placement): void {
  const { cluster, experts, slotsPerGpu, physicalToLogical } = placement;
  checkCluster(cluster);
  requireCount(experts, 'experts');
  requireCount(slotsPerGpu, 'slotsPerGpu');
  const slots = cluster.gpus * slotsPerGpu;
  physicalToLogical.forEach((row, layer) => {
    const where = `physicalToLogical[${layer}]`;
    if (row.length !== slots) {
      const problem = `layer ${layer} has ${row.length} slots where ${cluster.gpus} GPUs of ${slotsPerGpu} have ${slots}`;
      throw inputError(problem, 'wrong-length', where, 'give one expert, or -1, for each slot');
    }
    const wrong = row.findIndex((expert) => !Number.isInteger(expert) || expert < -1 || expert >= experts);
    if (wrong >= 0) {
      const problem = `slot ${wrong} of layer ${layer} holds expert ${row[wrong]} of ${experts}`;
      throw inputError(problem, 'no-such-expert', `${where}[${wrong}]`, `name experts 0 to ${experts - 1}, or -1`);
    }
    const placed = new Set(row);
    const missing = Array.from({ length: experts }, (_, expert) => expert).filter((expert) => !placed.has(expert));
    if (missing.length > 0) {
      const problem = `${missing.length} of ${experts} experts of layer ${layer} are not placed, expert ${missing[0]} the first`;
      throw inputError(problem, 'expert-not-placed', where, 'give every expert a slot');
    }
  });
}

/** [expert]: the physical experts that hold it, in order. */
export function replicasOf(placement: Placement, layer: number): number[][] {
  const replicas = Array.from({ length: placement.experts }, (): number[] => []);
  placement.physicalToLogical[layer]!.forEach((expert, physical) => {
    if (expert >= 0) replicas[expert]!.push(physical);
  });
  return replicas;
}

/** [expert]: the GPUs that hold it, each once, in order. */
export function hostsOf(placement: Placement, layer: number): number[][] {
  return replicasOf(placement, layer).map((physicals) =>
    Array.from(new Set(physicals.map((physical) => Math.floor(physical / placement.slotsPerGpu)))),
  );
}

/** [expert]: the node it lives in; an error where its replicas are spread over several. */
export function homeNodes(placement: Placement, layer: number): number[] {
  return hostsOf(placement, layer).map((gpus, expert) => {
    const nodes = new Set(gpus.map((gpu) => nodeOf(gpu, placement.cluster)));
    if (nodes.size === 1) return nodes.values().next().value as number;
    const problem = `expert ${expert} of layer ${layer} is in ${nodes.size} nodes: ${Array.from(nodes).join(', ')}`;
    throw inputError(
      problem,
      'many-nodes',
      `physicalToLogical[${layer}]`,
      'start from a placement with one node an expert',
    );
  });
}

/** Load of each GPU where an expert's tokens are spread evenly over its replicas. */
export function gpuLoads(placement: Placement, layer: number, loads: ArrayLike<number>): Float64Array {
  const sums = new Float64Array(placement.cluster.gpus);
  replicasOf(placement, layer).forEach((physicals, expert) => {
    for (const physical of physicals) {
      sums[Math.floor(physical / placement.slotsPerGpu)]! += loads[expert]! / physicals.length;
    }
  });
  return sums;
}

/** Balance of the GPUs, layer by layer, tokens spread evenly over replicas. */
export function balanceOfPlacement(placement: Placement, loads: ExpertLoads): Balance[] {
  return loads.map((row, layer) => balanceOf(gpuLoads(placement, layer, row)));
}
