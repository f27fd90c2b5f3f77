import { inputError } from '../errors.ts';
import { checkCluster } from './cluster.ts';
import { checkLoads, type ExpertLoads, requireCount, requireDivisible } from './loads.ts';
import { packBalanced } from './packing.ts';
import { type Replicas, replicate } from './replicas.ts';

/** What {@link rebalanceExperts} works with. */
export interface RebalanceOptions {
  /** Physical experts of a layer: the logical ones and their duplicates. A multiple of `gpus`, at least the logical ones. */
  readonly replicas: number;
  /** Groups of experts of the node-limited gate; an expert's group is floor(expert / (experts / groups)). */
  readonly groups: number;
  readonly nodes: number;
  /** GPUs of all nodes together. */
  readonly gpus: number;
  /** Experts a GPU has room for; more replicas than that are refused. Default: whatever the replicas need. */
  readonly slotsPerGpu?: number;
}

/** Placement of a model's experts. Physical expert p lies on GPU floor(p / (replicas / gpus)). */
export interface RebalancedExperts {
  /** [layer][physical]: the logical expert. */
  readonly physicalToLogical: number[][];
  /** [layer][logical][replica]: the physical expert; rows are padded with -1 to the highest replica count. */
  readonly logicalToPhysical: number[][][];
  /** [layer][logical]: how many replicas it has. */
  readonly replicaCount: number[][];
}

/**
 * The expert-parallel load balancer of DeepSeek-V3 (EPLB): which experts to duplicate, and where all of them go.
 *
 * Where `groups` divides by `nodes` the hierarchical policy: groups are packed onto nodes, experts are duplicated inside their node, and replicas are packed
 * onto its GPUs, so that a token's groups keep to few nodes. Else the global policy, which is the same with one group and one node.
 *
 * Every sum and quotient is rounded to f32, as the published implementation computes in f32. Ties, which it leaves open:
 * equal loads are taken in the order of their index, the pack and the expert of the lower index win.
 * @param loads tokens of each expert, a row a layer
 */
export function rebalanceExperts(loads: ExpertLoads, options: RebalanceOptions): RebalancedExperts {
  const experts = checkLoads(loads);
  checkOptions(experts, options);
  const hierarchical = options.groups % options.nodes === 0;
  const { groups, nodes } = hierarchical ? options : { groups: 1, nodes: 1 };
  const layers = loads.map((row) => rebalanceLayer(Float32Array.from(row), { ...options, groups, nodes }));
  const physicalToLogical = layers.map(({ logical }) => logical);
  const replicaCount = layers.map(({ count }) => count);
  const widest = Math.max(...replicaCount.flat());
  const logicalToPhysical = layers.map((layer) => invert(layer, experts, widest));
  return { physicalToLogical, logicalToPhysical, replicaCount };
}

function checkOptions(experts: number, options: RebalanceOptions): void {
  const { replicas, groups, nodes, gpus, slotsPerGpu } = options;
  requireCount(replicas, 'replicas');
  requireCount(groups, 'groups');
  checkCluster({ nodes, gpus });
  if (slotsPerGpu !== undefined) requireCount(slotsPerGpu, 'slotsPerGpu');
  requireDivisible(experts, 'experts', groups, 'groups');
  if (replicas < experts) {
    const problem = `${replicas} replicas do not hold ${experts} experts`;
    throw inputError(problem, 'too-few-replicas', 'replicas', `ask for at least ${experts} replicas`);
  }
  requireDivisible(replicas, 'replicas', gpus, 'gpus');
  if (slotsPerGpu !== undefined && replicas > gpus * slotsPerGpu) {
    const problem = `${replicas} replicas are more than the ${gpus * slotsPerGpu} slots of ${gpus} GPUs of ${slotsPerGpu}`;
    throw inputError(problem, 'too-many-replicas', 'replicas', 'ask for fewer replicas, or give GPUs more slots');
  }
}

/** One layer: groups to nodes, duplicates inside each node, replicas to its GPUs. */
function rebalanceLayer(loads: Float32Array, { replicas, groups, nodes, gpus }: RebalanceOptions): Replicas {
  const experts = loads.length;
  const groupSize = experts / groups;
  const placed = packBalanced(groupSums(loads, groups), nodes);
  const layer: Replicas = { logical: [], rank: [], count: new Array<number>(experts).fill(0) };
  for (let node = 0; node < nodes; node++) {
    const members = placed.packs[node]!.flatMap((group) => range(group * groupSize, groupSize));
    const local = replicate(
      Float32Array.from(members, (expert) => loads[expert]!),
      replicas / nodes,
    );
    const shares = local.logical.map((expert) => Math.fround(loads[members[expert]!]! / local.count[expert]!));
    for (const replica of packBalanced(Float32Array.from(shares), gpus / nodes).packs.flat()) {
      layer.logical.push(members[local.logical[replica]!]!);
      layer.rank.push(local.rank[replica]!);
    }
    local.count.forEach((count, at) => {
      layer.count[members[at]!] = count;
    });
  }
  return layer;
}

const range = (first: number, count: number): number[] => Array.from({ length: count }, (_, at) => first + at);

/** Load of each group: f32 additions in the order of the experts. */
function groupSums(loads: Float32Array, groups: number): Float32Array {
  const sums = new Float32Array(groups);
  const size = loads.length / groups;
  loads.forEach((load, expert) => {
    sums[Math.floor(expert / size)]! += load;
  });
  return sums;
}

/** [logical][replica] -> physical, padded with -1. */
function invert({ logical, rank }: Replicas, experts: number, widest: number): number[][] {
  const inverse = range(0, experts).map(() => new Array<number>(widest).fill(-1));
  logical.forEach((expert, physical) => {
    inverse[expert]![rank[physical]!] = physical;
  });
  return inverse;
}
