import { inputError } from '../errors.ts';
import { checkLoads, type ExpertLoads, requireCount, requireDivisible, requireRedundant } from './loads.ts';
import { planNode } from './node-plan.ts';
import { checkPlacement, homeNodes, type Placement } from './placement.ts';
import { settle } from './settle.ts';

/** What {@link planRedundancy} works with. */
export interface RedundancyOptions {
  /** Duplicates of a layer over all nodes (32 in the prefill unit of DeepSeek-V3, section 3.4.1). Divides by the nodes. */
  readonly redundant: number;
  /** Slots of a GPU. Default: just enough for the experts and their duplicates. */
  readonly slotsPerGpu?: number;
  /**
   * True for dynamic redundancy, where a GPU activates only some of the experts that it holds: experts without a duplicate, which their GPU cannot
   * leave to another, are then spread evenly over GPUs. Default false.
   */
  readonly dynamic?: boolean;
}

/**
 * Chooses the experts to duplicate from observed loads, and re-places all experts of a node over its GPUs.
 *
 * An expert stays in the node where `current` has it, and so do its duplicates. The nodes to which a token must be sent follow from its experts alone, so
 * the traffic between nodes is the same before and after, byte for byte, whatever the routing. Inside a node: duplicates go to the experts whose
 * replicas carry most, at most one replica a GPU. They are packed anew, and beside that onto what the GPUs hold already; the second, which copies
 * little, is taken unless the first makes the busiest GPU lighter by 2 %.
 * @param current where the experts are now; each in one node
 * @returns a placement with the same homes; slots that no duplicate needs are empty (-1)
 */
export function planRedundancy(loads: ExpertLoads, current: Placement, options: RedundancyOptions): Placement {
  const experts = checkLoads(loads, current.experts);
  checkPlacement(current);
  checkLayers(loads, current);
  const { nodes, gpus } = current.cluster;
  const slotsPerGpu = slotsOf(experts, gpus, options);
  const { dynamic = false } = options;
  requireDivisible(options.redundant, 'redundant experts', nodes, 'nodes');
  const physicalToLogical = loads.map((row, layer) => {
    const homes = homeNodes(current, layer);
    return Array.from({ length: nodes }, (_, node) => {
      const members = homes.flatMap((home, expert) => (home === node ? [expert] : []));
      const before = gpuSets(current, layer, node);
      const shape = { gpus: gpus / nodes, slotsPerGpu, dynamic };
      const plan = planNode(members, row, options.redundant / nodes, shape, before);
      return settle(before, plan, slotsPerGpu).flat();
    }).flat();
  });
  return { cluster: current.cluster, experts, slotsPerGpu, physicalToLogical };
}

function checkLayers(loads: ExpertLoads, { physicalToLogical }: Placement): void {
  if (loads.length === physicalToLogical.length) return;
  const problem = `there are loads of ${loads.length} layers and a placement of ${physicalToLogical.length}`;
  throw inputError(problem, 'wrong-length', 'loads', 'give loads for every layer of the placement');
}

function slotsOf(experts: number, gpus: number, { redundant, slotsPerGpu }: RedundancyOptions): number {
  requireRedundant(redundant, experts, gpus);
  const needed = Math.ceil((experts + redundant) / gpus);
  if (slotsPerGpu === undefined) return needed;
  requireCount(slotsPerGpu, 'slotsPerGpu');
  if (slotsPerGpu >= needed) return slotsPerGpu;
  const problem = `${experts} experts and ${redundant} duplicates are ${experts + redundant} replicas, more than the ${gpus * slotsPerGpu} slots of ${gpus} GPUs of ${slotsPerGpu}`;
  throw inputError(problem, 'too-many-replicas', 'redundant', 'ask for fewer duplicates, or give GPUs more slots');
}

/** [GPU of the node][slot]: what a node holds now. */
function gpuSets({ cluster, slotsPerGpu, physicalToLogical }: Placement, layer: number, node: number): number[][] {
  const perNode = cluster.gpus / cluster.nodes;
  return Array.from({ length: perNode }, (_, gpu) => {
    const first = (node * perNode + gpu) * slotsPerGpu;
    return physicalToLogical[layer]!.slice(first, first + slotsPerGpu);
  });
}
