import { inputError } from '../errors.ts';
import { heaviestFirst } from './packing.ts';
import { replicate } from './replicas.ts';

/** The GPUs of a node. */
export interface NodeShape {
  readonly gpus: number;
  readonly slotsPerGpu: number;
  /** See `RedundancyOptions`. */
  readonly dynamic: boolean;
}

/** How much lighter the busiest GPU must get, as a share, before a plan that copies most experts anew is worth it. */
const worthCopying = 0.02;

/**
 * Duplicates and places the experts of one node.
 * @param members the experts whose home it is  @param loads [expert], of the whole layer  @param before [GPU][slot]: what it holds now
 * @returns [GPU]: the experts it holds, each once
 */
export function planNode(
  members: readonly number[],
  loads: ArrayLike<number>,
  redundant: number,
  shape: NodeShape,
  before: readonly (readonly number[])[],
): number[][] {
  const room = shape.gpus * shape.slotsPerGpu;
  checkRoom(members.length, room);
  const own = Float64Array.from(members, (expert) => loads[expert]!);
  const { logical, count } = replicate(own, Math.min(members.length + redundant, room), shape.gpus);
  const share = Float64Array.from(own, (load, at) => load / count[at]!);
  // Experts of one kind may change places: all, or those with duplicates among themselves and those without.
  const kind = (expert: number): boolean => shape.dynamic && count[expert] === 1;
  const pack = (start: number[][]): number[][] => {
    const held = placeRest(start, logical, share, shape, kind);
    improve(held, share, kind);
    return held;
  };
  const fresh = pack(Array.from({ length: shape.gpus }, () => []));
  const kept = pack(keepPlaces(before, members, count, share, shape, kind));
  const chosen = busiest(kept, share) * (1 - worthCopying) <= busiest(fresh, share) ? kept : fresh;
  return chosen.map((held) => held.map((at) => members[at]!));
}

function checkRoom(members: number, room: number): void {
  if (members <= room) return;
  const problem = `a node is home to ${members} experts and has ${room} slots`;
  const fix = 'give GPUs more slots, or spread the experts evenly over nodes';
  throw inputError(problem, 'too-many-replicas', 'slotsPerGpu', fix);
}

const sumsOf = (held: readonly (readonly number[])[], share: Float64Array): Float64Array =>
  Float64Array.from(held, (experts) => experts.reduce((sum, expert) => sum + share[expert]!, 0));

const busiest = (held: readonly (readonly number[])[], share: Float64Array): number => Math.max(...sumsOf(held, share));

/** Whether an expert is one of those that are spread evenly by number. */
type Kind = (expert: number) => boolean;

/** How many experts of the kind that is spread evenly a GPU may hold. */
function evenShare(logical: readonly number[], { gpus, slotsPerGpu }: NodeShape, kind: Kind): number {
  return Math.min(slotsPerGpu, Math.ceil(logical.filter(kind).length / gpus));
}

/** What the GPUs hold already and may keep: no more replicas of an expert than planned, those on the lightest GPUs; no more than there are slots. */
function keepPlaces(
  before: readonly (readonly number[])[],
  members: readonly number[],
  count: readonly number[],
  share: Float64Array,
  shape: NodeShape,
  kind: Kind,
): number[][] {
  const local = new Map(members.map((expert, at) => [expert, at]));
  const now = before.map((slots) => Array.from(new Set(slots.flatMap((expert) => local.get(expert) ?? []))));
  const sums = sumsOf(now, share);
  const held = now.map((): number[] => []);
  const most = evenShare(
    count.flatMap((replicas, at) => (replicas === 1 ? [at] : [])),
    shape,
    kind,
  );
  for (const expert of heaviestFirst(share)) {
    const places = now.flatMap((experts, gpu) => (experts.includes(expert) ? [gpu] : []));
    const lightestFirst = places.sort((a, b) => sums[a]! - sums[b]! || a - b);
    for (const gpu of lightestFirst.slice(0, count[expert])) {
      const full = held[gpu]!.length === shape.slotsPerGpu || (kind(expert) && held[gpu]!.filter(kind).length === most);
      if (!full) held[gpu]!.push(expert);
    }
  }
  return held;
}

/**
 * Places the replicas that have no place yet, the heaviest first, each on the lightest GPU that has room and not the same expert; those to be spread evenly come
 * before the others, no more than their share on a GPU.
 */
function placeRest(
  held: number[][],
  logical: readonly number[],
  share: Float64Array,
  shape: NodeShape,
  kind: Kind,
): number[][] {
  const sums = sumsOf(held, share);
  const placed = new Map<number, number>();
  for (const expert of held.flat()) placed.set(expert, (placed.get(expert) ?? 0) + 1);
  const order = heaviestFirst(Float64Array.from(logical, (expert) => share[expert]!)).map(
    (replica) => logical[replica]!,
  );
  const rest = order.filter((expert) => {
    const left = placed.get(expert) ?? 0;
    placed.set(expert, left - 1);
    return left <= 0;
  });
  const most = evenShare(logical, shape, kind);
  const holds = (gpu: number, expert: number): boolean => held[gpu]!.includes(expert);
  const place = (expert: number, fits: (gpu: number) => boolean): void => {
    const gpu = lightest(sums, (at) => held[at]!.length < shape.slotsPerGpu && !holds(at, expert) && fits(at));
    if (gpu < 0) makeRoom(held, sums, share, expert, shape.slotsPerGpu);
    else {
      held[gpu]!.push(expert);
      sums[gpu]! += share[expert]!;
    }
  };
  for (const expert of rest.filter(kind)) place(expert, (gpu) => held[gpu]!.filter(kind).length < most);
  for (const expert of rest) if (!kind(expert)) place(expert, () => true);
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
