import { inputError } from '../errors.ts';
import { type AssignmentProblem, createFlow, type Flow, type Reached, saturate } from './flow.ts';

/**
 * Brings every GPU down to `active` experts with tokens, at as low a maximum as it finds, and never below `bound`.
 *
 * Two ways to try a maximum, both deterministic. From above: the edge with fewest tokens of a GPU over the limit is closed and its tokens flow over what is
 * left. From below: every expert begins on one GPU, and where the tokens do not fit, the minimum cut names the experts that need another GPU.
 * The maximum is raised until one succeeds, then lowered by halving.
 */
export function limitActive(flow: Flow, problem: AssignmentProblem, active: number, bound: number): void {
  const above = snapshot(flow);
  const whole = wholeExperts(problem, active);
  let best = { most: Math.max(...whole.load), state: whole };
  const attempt = (limit: number): boolean => {
    restore(flow, above);
    const done = thinOut(flow, active, limit) || openUp(flow, whole, active, limit);
    if (!done) return false;
    const most = Math.max(...flow.load);
    if (most < best.most) best = { most, state: snapshot(flow) };
    return true;
  };
  let failed = bound;
  if (!attempt(bound)) {
    for (let step = Math.max(1, Math.ceil(bound / 64)); bound + step < best.most; step *= 2) {
      if (attempt(bound + step)) break;
      failed = bound + step;
    }
    // To within a 128th of the maximum: finer is not worth the time it takes before every layer.
    while (best.most - failed > Math.max(1, bound / 128)) {
      const middle = Math.floor((failed + best.most) / 2);
      if (!attempt(middle)) failed = middle;
    }
  }
  restore(flow, best.state);
}

type State = Pick<Flow, 'tokens' | 'load' | 'left' | 'usable'>;

const snapshot = ({ tokens, load, left, usable }: Flow): State => ({
  tokens: tokens.slice(),
  load: load.slice(),
  left: left.slice(),
  usable: usable.slice(),
});

function restore(flow: Flow, state: State): void {
  flow.tokens.set(state.tokens);
  flow.load.set(state.load);
  flow.left.set(state.left);
  flow.usable.set(state.usable);
}

/** Every expert whole on one GPU, no GPU with more than `active` of them: always allowed, seldom good. An error where not even that can be. */
function wholeExperts({ counts, hosts, gpus }: AssignmentProblem, active: number): State {
  const present = Float64Array.from(counts, (tokens) => (tokens > 0 ? 1 : 0));
  const matched = createFlow(present, hosts, gpus);
  const cut = saturate(matched, active);
  if (cut !== undefined) {
    const experts = cut.expertLevel.filter((level) => level >= 0).length;
    const hosting = cut.gpuLevel.filter((level) => level >= 0).length;
    const problem = `${experts} experts with tokens are held by ${hosting} GPUs only, which may activate ${active} each: ${hosting * active}`;
    throw inputError(
      problem,
      'too-few-active',
      'active',
      'let GPUs activate more experts, or place those experts on more GPUs',
    );
  }
  matched.load.fill(0);
  matched.tokens.forEach((taken, edge) => {
    matched.tokens[edge] = taken * counts[matched.edgeExpert[edge]!]!;
    matched.load[matched.edgeGpu[edge]!]! += matched.tokens[edge]!;
  });
  return matched;
}

/** Closes edges until no GPU has more than `active` with tokens. False where some GPU cannot be brought so far. */
function thinOut(flow: Flow, active: number, limit: number): boolean {
  const count = new Int32Array(flow.gpus);
  const recount = (): void => {
    count.fill(0);
    flow.tokens.forEach((tokens, edge) => {
      if (tokens > 0) count[flow.edgeGpu[edge]!]!++;
    });
  };
  const kept = new Uint8Array(flow.tokens.length);
  for (;;) {
    recount();
    const edge = lightestEdge(flow, count, active, kept);
    if (edge === undefined) return count.every((experts) => experts <= active);
    if (!reroute(flow, edge, limit, count, active)) kept[edge] = 1;
  }
}

/** The edge with fewest tokens, of those on GPUs over the limit that may still be closed. */
function lightestEdge(flow: Flow, count: Int32Array, active: number, kept: Uint8Array): number | undefined {
  let found: number | undefined;
  for (let gpu = 0; gpu < flow.gpus; gpu++) {
    if (count[gpu]! <= active) continue;
    for (const edge of flow.edgesOfGpu[gpu]!) {
      if (flow.tokens[edge]! === 0 || kept[edge] === 1) continue;
      if (found === undefined || flow.tokens[edge]! < flow.tokens[found]!) found = edge;
    }
  }
  return found;
}

/** Closes an edge for good and finds its tokens another way: over edges in use or to GPUs with experts to spare, else over any. */
function reroute(flow: Flow, edge: number, limit: number, count: Int32Array, active: number): boolean {
  const before = snapshot(flow);
  const release = (): void => {
    flow.left[flow.edgeExpert[edge]!]! += flow.tokens[edge]!;
    flow.load[flow.edgeGpu[edge]!]! -= flow.tokens[edge]!;
    flow.tokens[edge] = 0;
    flow.usable[edge] = 0;
  };
  release();
  const closed = flow.usable.slice();
  flow.usable.forEach((usable, at) => {
    if (usable === 1 && flow.tokens[at]! === 0 && count[flow.edgeGpu[at]!]! >= active) flow.usable[at] = 0;
  });
  const eased = saturate(flow, limit) === undefined;
  flow.usable.set(closed);
  if (eased || saturate(flow, limit) === undefined) return true;
  restore(flow, before);
  return false;
}

/**
 * Starts with every expert on the one GPU of `whole`, as far as the limit allows. As long as tokens are left, the experts that the search reached get another
 * GPU, one it did not reach: the lightest with an expert to spare, after closing edges there that carry nothing or whose tokens can go elsewhere.
 */
function openUp(flow: Flow, whole: State, active: number, limit: number): boolean {
  const count = new Int32Array(flow.gpus);
  flow.usable.fill(0);
  flow.load.fill(0);
  whole.tokens.forEach((tokens, edge) => {
    const gpu = flow.edgeGpu[edge]!;
    const placed = Math.min(tokens, limit - flow.load[gpu]!);
    flow.tokens[edge] = placed;
    flow.load[gpu]! += placed;
    if (tokens === 0) return;
    flow.left[flow.edgeExpert[edge]!] = tokens - placed;
    flow.usable[edge] = 1;
    count[gpu]!++;
  });
  // Each turn opens an edge; more turns than edges means that it goes in circles.
  for (let turn = 0; turn <= flow.tokens.length; turn++) {
    const cut = saturate(flow, limit);
    if (cut === undefined) return true;
    const edge = bestOpening(flow, cut, count, active);
    if (edge === undefined) return false;
    const gpu = flow.edgeGpu[edge]!;
    if (count[gpu]! >= active) {
      const idle = flow.edgesOfGpu[gpu]!.find((at) => flow.usable[at] === 1 && flow.tokens[at] === 0);
      if (idle === undefined) return false;
      flow.usable[idle] = 0;
      count[gpu]!--;
    }
    flow.usable[edge] = 1;
    count[gpu]!++;
  }
  return false;
}

/** An edge from an expert inside the cut to a GPU outside, the lightest GPU first, on which an expert more may be active or an edge carries nothing. */
function bestOpening(
  flow: Flow,
  { expertLevel, gpuLevel }: Reached,
  count: Int32Array,
  active: number,
): number | undefined {
  let found: number | undefined;
  flow.usable.forEach((usable, edge) => {
    const gpu = flow.edgeGpu[edge]!;
    if (usable === 1 || expertLevel[flow.edgeExpert[edge]!]! < 0 || gpuLevel[gpu]! >= 0) return;
    const spare =
      count[gpu]! < active || flow.edgesOfGpu[gpu]!.some((at) => flow.usable[at] === 1 && flow.tokens[at] === 0);
    if (spare && (found === undefined || flow.load[gpu]! < flow.load[flow.edgeGpu[found]!]!)) found = edge;
  });
  return found;
}
