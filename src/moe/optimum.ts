import { inputError } from '../errors.ts';
import { limitActive } from './active.ts';
import { type AssignmentProblem, createFlow, type Flow, type Reached, saturate } from './flow.ts';
import { requireCount } from './loads.ts';

/**
 * Why no assignment can do better: the tokens of `experts` can only go to `gpus`, so one of those gets at least `bound` = ceil(tokens / gpus.length).
 * The best assignment reaches the largest bound of this kind (max-flow min-cut), so an assignment that reaches it is proven optimal.
 */
export interface Certificate {
  readonly experts: readonly number[];
  readonly gpus: readonly number[];
  readonly tokens: number;
  readonly bound: number;
}

/** Tokens of each expert on each of its GPUs. */
export interface Assignment {
  /** [expert][host]: tokens, in the order of the problem's hosts. */
  readonly tokens: readonly (readonly number[])[];
  /** [GPU]: tokens. */
  readonly gpuLoads: readonly number[];
  /** [GPU]: experts with tokens there. */
  readonly activeExperts: readonly number[];
  /** Tokens of the busiest GPU. */
  readonly most: number;
  readonly certificate: Certificate;
  /**
   * True where `most` equals the certificate's bound: no assignment has a less busy busiest GPU. Always true without a limit of active experts; with
   * one the problem contains bin packing, and where the bound is not reached, the optimum lies between it and `most`.
   */
  readonly optimal: boolean;
}

/** The assignment of tokens to replicas with the least busy busiest GPU, and the proof of it. */
export function assignOptimally(problem: AssignmentProblem): Assignment {
  checkProblem(problem);
  const { counts, hosts, gpus, active = gpus * counts.length } = problem;
  const flow = createFlow(counts, hosts, gpus);
  const certificate = leastMaximum(flow, problem);
  if (busiestActive(flow) > active) limitActive(flow, problem, active, certificate.bound);
  return describe(flow, hosts, certificate);
}

/** Checks a certificate by itself: its GPUs are all that hold its experts, its tokens are theirs, its bound follows. */
export function holds({ experts, gpus, tokens, bound }: Certificate, { counts, hosts }: AssignmentProblem): boolean {
  const allowed = new Set(gpus);
  const closed = experts.every((expert) => hosts[expert]!.every((gpu) => allowed.has(gpu)));
  const sum = experts.reduce((total, expert) => total + counts[expert]!, 0);
  return closed && sum === tokens && (tokens === 0 ? bound === 0 : bound === Math.ceil(tokens / gpus.length));
}

function checkProblem({ counts, hosts, gpus, active }: AssignmentProblem): void {
  requireCount(gpus, 'gpus');
  if (active !== undefined) requireCount(active, 'active');
  if (hosts.length !== counts.length) {
    const problem = `there are tokens of ${counts.length} experts and hosts of ${hosts.length}`;
    throw inputError(problem, 'wrong-length', 'hosts', 'give the hosts of every expert');
  }
  hosts.forEach((list, expert) => {
    requireCount(counts[expert]!, `counts[${expert}]`, 0);
    const where = `hosts[${expert}]`;
    if (list.length === 0 && counts[expert]! > 0) {
      const problem = `expert ${expert} has ${counts[expert]} tokens and is on no GPU`;
      throw inputError(problem, 'expert-not-placed', where, 'place it on a GPU');
    }
    const wrong = list.find((gpu) => !Number.isInteger(gpu) || gpu < 0 || gpu >= gpus);
    if (wrong !== undefined)
      throw inputError(`expert ${expert} is on GPU ${wrong} of ${gpus}`, 'no-such-gpu', where, 'name a GPU');
    if (new Set(list).size < list.length) {
      throw inputError(`expert ${expert} names a GPU twice`, 'duplicate-host', where, 'name each GPU once');
    }
  });
}

/**
 * Raises the limit of all GPUs until every token is assigned. It starts at the mean, which no assignment can go below; where the maximum flow falls
 * short, the minimum cut names experts that need a higher limit on the GPUs that hold them, and that becomes the next one. The last cut is the proof.
 */
function leastMaximum(flow: Flow, { counts, hosts }: AssignmentProblem): Certificate {
  const everyExpert = Array.from({ length: flow.experts }, (_, expert) => expert).filter(
    (expert) => counts[expert]! > 0,
  );
  let certificate = certify(everyExpert, counts, hosts);
  startEvenly(flow, certificate.bound);
  for (;;) {
    const cut = saturate(flow, certificate.bound);
    if (cut === undefined) return certificate;
    certificate = certify(reachedExperts(cut), counts, hosts);
  }
}

const reachedExperts = ({ expertLevel }: Reached): number[] =>
  Array.from(expertLevel.keys()).filter((expert) => expertLevel[expert]! >= 0);

function certify(
  experts: readonly number[],
  counts: ArrayLike<number>,
  hosts: AssignmentProblem['hosts'],
): Certificate {
  const gpus = Array.from(new Set(experts.flatMap((expert) => hosts[expert]!))).sort((a, b) => a - b);
  const tokens = experts.reduce((sum, expert) => sum + counts[expert]!, 0);
  return { experts, gpus, tokens, bound: tokens === 0 ? 0 : Math.ceil(tokens / gpus.length) };
}

/** A start near the end: experts with few hosts first, each to its lightest host with room. */
function startEvenly(flow: Flow, limit: number): void {
  const degree = (expert: number): number => flow.firstEdge[expert + 1]! - flow.firstEdge[expert]!;
  const order = Array.from({ length: flow.experts }, (_, expert) => expert).sort(
    (a, b) => degree(a) - degree(b) || a - b,
  );
  for (const expert of order) {
    while (flow.left[expert]! > 0) {
      let edge = -1;
      for (let at = flow.firstEdge[expert]!; at < flow.firstEdge[expert + 1]!; at++) {
        const load = flow.load[flow.edgeGpu[at]!]!;
        if (load < limit && (edge < 0 || load < flow.load[flow.edgeGpu[edge]!]!)) edge = at;
      }
      if (edge < 0) break;
      const gpu = flow.edgeGpu[edge]!;
      const amount = Math.min(flow.left[expert]!, limit - flow.load[gpu]!);
      flow.tokens[edge]! += amount;
      flow.load[gpu]! += amount;
      flow.left[expert]! -= amount;
    }
  }
}

/** Most experts with tokens on one GPU. */
function busiestActive(flow: Flow): number {
  return Math.max(...activeOf(flow));
}

/** [GPU]: experts with tokens on it. */
export function activeOf(flow: Flow): number[] {
  return flow.edgesOfGpu.map((edges) => edges.filter((edge) => flow.tokens[edge]! > 0).length);
}

function describe(flow: Flow, hosts: AssignmentProblem['hosts'], certificate: Certificate): Assignment {
  const most = Math.max(0, ...flow.load);
  return {
    tokens: hosts.map((_, expert) =>
      Array.from(flow.tokens.subarray(flow.firstEdge[expert]!, flow.firstEdge[expert + 1]!)),
    ),
    gpuLoads: Array.from(flow.load),
    activeExperts: activeOf(flow),
    most,
    certificate,
    optimal: most === certificate.bound,
  };
}
