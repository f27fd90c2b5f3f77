import { inputError } from '../errors.ts';
import { checkLoads, type ExpertLoads, requireCount, requireDivisible } from './loads.ts';
import { heaviestFirst } from './packing.ts';
import { checkPlacement, homeNodes, type Placement } from './placement.ts';
import { replicate } from './replicas.ts';
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
 * replicas carry most, at most one replica a GPU; the heaviest replica goes to the lightest GPU with room; swaps with the busiest GPU follow
 * until none helps; and the GPUs are then named so that as many experts as possible stay where they are.
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
      const plan = planNode(members, row, options.redundant / nodes, { gpus: gpus / nodes, slotsPerGpu, dynamic });
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
  requireCount(redundant, 'redundant experts', 0);
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

interface NodeShape {
  readonly gpus: number;
  readonly slotsPerGpu: number;
  readonly dynamic: boolean;
}

/** [GPU]: the experts it holds, each once. */
function planNode(
  members: readonly number[],
  loads: ArrayLike<number>,
  redundant: number,
  shape: NodeShape,
): number[][] {
  const room = shape.gpus * shape.slotsPerGpu;
  if (members.length > room) {
    const problem = `a node is home to ${members.length} experts and has ${room} slots`;
    throw inputError(
      problem,
      'too-many-replicas',
      'slotsPerGpu',
      'give GPUs more slots, or spread the experts evenly over nodes',
    );
  }
  const own = Float64Array.from(members, (expert) => loads[expert]!);
  const total = Math.min(members.length + redundant, room);
  const { logical, count } = replicate(own, total, shape.gpus);
  const share = Float64Array.from(own, (load, at) => load / count[at]!);
  // Experts of one kind may change places: all, or those with duplicates among themselves and those without.
  const kind = (expert: number): boolean => shape.dynamic && count[expert] === 1;
  const gpus = packDistinct(logical, share, shape, kind);
  improve(gpus, share, kind);
  return gpus.map((held) => held.map((at) => members[at]!));
}

/** Whether an expert is one of those that are spread evenly by number. */
type Kind = (expert: number) => boolean;

/**
 * The heaviest replica first, each to the lightest GPU that has room and not the same expert yet; those to be spread evenly come before the others, no more
 * than their share on a GPU.
 */
function packDistinct(logical: readonly number[], share: Float64Array, shape: NodeShape, kind: Kind): number[][] {
  const held = Array.from({ length: shape.gpus }, (): number[] => []);
  const sums = new Float64Array(shape.gpus);
  const order = heaviestFirst(Float64Array.from(logical, (expert) => share[expert]!)).map(
    (replica) => logical[replica]!,
  );
  const even = order.filter(kind);
  const evenShare = Math.min(shape.slotsPerGpu, Math.ceil(even.length / shape.gpus));
  const pack = (expert: number, slots: number): void => {
    const fits = lightest(sums, (gpu) => held[gpu]!.length < slots && !held[gpu]!.includes(expert));
    if (fits >= 0) {
      held[fits]!.push(expert);
      sums[fits]! += share[expert]!;
    } else {
      makeRoom(held, sums, share, expert, slots);
    }
  };
  for (const expert of even) pack(expert, evenShare);
  for (const expert of order) if (!kind(expert)) pack(expert, shape.slotsPerGpu);
  return held;
}

function lightest(sums: Float64Array, allowed: (gpu: number) => boolean): number {
  let found = -1;
  for (let gpu = 0; gpu < sums.length; gpu++) {
    if (allowed(gpu) && (found < 0 || sums[gpu]! < sums[found]!)) found = gpu;
  }
  return found;
}

/**
 * Every GPU with room has the expert already. A full GPU without it holds more experts than one with room, so one of them can move there:
 * there is always such a move, because an expert has at most as many replicas as the node has GPUs.
 */
function makeRoom(held: number[][], sums: Float64Array, share: Float64Array, expert: number, slots: number): void {
  const open = lightest(sums, (gpu) => held[gpu]!.length < slots);
  const full = lightest(sums, (gpu) => held[gpu]!.length === slots && !held[gpu]!.includes(expert));
  const moved = held[full]!.find((other) => !held[open]!.includes(other))!;
  held[full]!.splice(held[full]!.indexOf(moved), 1, expert);
  held[open]!.push(moved);
  sums[full]! += share[expert]! - share[moved]!;
  sums[open]! += share[moved]!;
}

/** Swaps between the busiest GPU and another as long as the busier of the two gets lighter than the busiest was. */
function improve(held: number[][], share: Float64Array, kind: Kind): void {
  const sums = Float64Array.from(held, (experts) => experts.reduce((sum, expert) => sum + share[expert]!, 0));
  for (let rounds = 0; rounds < 64 * held.length; rounds++) {
    const from = sums.indexOf(Math.max(...sums));
    const swap = bestSwap(held, sums, share, from, kind);
    if (swap === undefined) return;
    const { to, give, take } = swap;
    const change = share[held[from]![give]!]! - share[held[to]![take]!]!;
    [held[from]![give], held[to]![take]] = [held[to]![take]!, held[from]![give]!];
    sums[from]! -= change;
    sums[to]! += change;
  }
}

interface Swap {
  readonly to: number;
  readonly give: number;
  readonly take: number;
}

function bestSwap(
  held: readonly number[][],
  sums: Float64Array,
  share: Float64Array,
  from: number,
  kind: Kind,
): Swap | undefined {
  // Rounding must not make a swap look like a gain: two GPUs could trade for ever.
  let least = sums[from]! * (1 - 1e-9);
  let found: Swap | undefined;
  for (let to = 0; to < held.length; to++) {
    if (to === from) continue;
    held[from]!.forEach((mine, give) => {
      if (held[to]!.includes(mine)) return;
      held[to]!.forEach((theirs, take) => {
        const change = share[mine]! - share[theirs]!;
        const busier = Math.max(sums[from]! - change, sums[to]! + change);
        if (busier >= least || kind(mine) !== kind(theirs) || held[from]!.includes(theirs)) return;
        least = busier;
        found = { to, give, take };
      });
    });
  }
  return found;
}
