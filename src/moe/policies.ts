import { inputError } from '../errors.ts';
import type { Cluster } from './cluster.ts';
import { balanceOf, type ExpertLoads, requireCount } from './loads.ts';
import { assignOptimally } from './optimum.ts';
import { balanceOfPlacement, hostsOf, type Placement, uniformPlacement } from './placement.ts';
import { planRedundancy } from './redundancy.ts';
import { createReplanner, type Replan } from './replan.ts';

/** What {@link comparePolicies} plays through. */
export interface PolicyOptions {
  readonly cluster: Cluster;
  /** Duplicates of a layer (32 in prefill). */
  readonly redundant: number;
  /** Steps that statistics are kept for, and steps between plans. */
  readonly window: number;
  readonly every: number;
  /** See `ReplanOptions`. */
  readonly minGain?: number;
  /** Dynamic redundancy: experts a GPU holds (16), and experts it activates in a step (9). */
  readonly hosted: number;
  readonly active: number;
  readonly bytesPerExpert?: number;
}

/** The ways to place experts that are compared. */
export const policies = ['even', 'once', 'replanned', 'dynamic'] as const;

/** One of {@link policies}. */
export type Policy = (typeof policies)[number];

/** One step of a policy: over layers, the mean and the worst of max/mean load of the GPUs. */
export interface PolicyStep {
  readonly mean: number;
  readonly worst: number;
}

/** How a policy fared. */
export interface PolicyResult {
  readonly policy: Policy;
  /** [step - window]: each step after the first window. */
  readonly steps: readonly PolicyStep[];
  /** Plans that were made after the first window; the one at its end is how each policy starts. */
  readonly replans: readonly Replan[];
  /** Of `dynamic`: layers and steps whose assignment is proven optimal, of all. */
  readonly proven?: { readonly optimal: number; readonly of: number };
}

/**
 * Plays a series of loads through: experts placed evenly; with duplicates planned once, from the first window; planned anew every so often from the window before; and
 * with dynamic redundancy, where more experts are hosted, planned anew as often, and each step's tokens go to replicas by the optimum.
 * A step is judged under the placement that was made before it: nothing is known in advance.
 */
export function comparePolicies(series: readonly ExpertLoads[], options: PolicyOptions): PolicyResult[] {
  const { cluster, window } = options;
  requireCount(window, 'window');
  requireCount(options.hosted, 'hosted');
  requireCount(options.active, 'active');
  if (series.length <= window) {
    const problem = `${series.length} steps do not go beyond a window of ${window}`;
    throw inputError(problem, 'too-few-steps', 'window', 'give a longer series or a smaller window');
  }
  const experts = series[0]![0]!.length;
  const even = uniformPlacement(series[0]!.length, experts, cluster);
  checkHosted(options, experts);
  return policies.map((policy) => play(policy, series, even, options));
}

function checkHosted({ hosted, cluster }: PolicyOptions, experts: number): void {
  if (hosted * cluster.gpus >= experts) return;
  const problem = `${cluster.gpus} GPUs that host ${hosted} experts hold ${hosted * cluster.gpus} of ${experts}`;
  throw inputError(problem, 'too-few-replicas', 'hosted', `host at least ${Math.ceil(experts / cluster.gpus)}`);
}

function play(policy: Policy, series: readonly ExpertLoads[], even: Placement, options: PolicyOptions): PolicyResult {
  const dynamic = policy === 'dynamic';
  const slots = dynamic ? options.hosted : undefined;
  const redundant = dynamic ? options.hosted * even.cluster.gpus - even.experts : options.redundant;
  const first = planRedundancy(sumOf(series.slice(0, options.window)), even, {
    redundant,
    slotsPerGpu: slots,
    dynamic,
  });
  const start = policy === 'even' ? even : first;
  const moving = policy === 'replanned' || dynamic;
  const replanner = createReplanner(start, { ...options, redundant, slotsPerGpu: slots, dynamic });
  const replans: Replan[] = [];
  const steps: PolicyStep[] = [];
  const proven = { optimal: 0, of: 0 };
  series.forEach((loads, step) => {
    // The window of a replanner fills with the same steps from which its start was planned.
    const known = step < options.window ? start : replanner.placement;
    if (step >= options.window) {
      const ratios = dynamic
        ? optimalRatios(loads, known, options.active, proven)
        : ratiosOf(moving ? known : start, loads);
      steps.push({ mean: balanceOf(ratios).mean, worst: Math.max(...ratios) });
    }
    const replan = moving ? replanner.observe(loads) : undefined;
    if (replan !== undefined && step >= options.window) replans.push(replan);
  });
  return { policy, steps, replans, ...(dynamic ? { proven } : {}) };
}

const ratiosOf = (placement: Placement, loads: ExpertLoads): number[] =>
  balanceOfPlacement(placement, loads).map(({ ratio }) => ratio);

function optimalRatios(
  loads: ExpertLoads,
  placement: Placement,
  active: number,
  proven: { optimal: number; of: number },
): number[] {
  return loads.map((row, layer) => {
    const counts = Float64Array.from(row, Math.round);
    const { gpuLoads, optimal } = assignOptimally({
      counts,
      hosts: hostsOf(placement, layer),
      gpus: placement.cluster.gpus,
      active,
    });
    proven.of++;
    if (optimal) proven.optimal++;
    return balanceOf(gpuLoads).ratio;
  });
}

/** Loads added up over steps. */
export function sumOf(series: readonly ExpertLoads[]): ExpertLoads {
  return series[0]!.map((row, layer) =>
    Float64Array.from(row, (_, expert) => series.reduce((sum, loads) => sum + loads[layer]![expert]!, 0)),
  );
}
