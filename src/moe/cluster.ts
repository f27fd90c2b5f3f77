import { requireCount, requireDivisible } from './loads.ts';

/** GPUs in nodes of equal size: GPU g stands in node floor(g / (gpus / nodes)). */
export interface Cluster {
  readonly nodes: number;
  /** GPUs of all nodes together. */
  readonly gpus: number;
}

/** Refuses clusters whose GPUs do not spread evenly over the nodes. */
export function checkCluster({ nodes, gpus }: Cluster): void {
  requireCount(nodes, 'nodes');
  requireCount(gpus, 'gpus');
  requireDivisible(gpus, 'gpus', nodes, 'nodes');
}

/** The node in which a GPU stands. */
export function nodeOf(gpu: number, { nodes, gpus }: Cluster): number {
  return Math.floor((gpu * nodes) / gpus);
}
