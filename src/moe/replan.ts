import { inputError } from '../errors.ts';
import { balanceOf, checkLoads, type ExpertLoads, requireCount } from './loads.ts';
import { type Moves, movesBetween } from './moves.ts';
import { balanceOfPlacement, type Placement } from './placement.ts';
import { planRedundancy, type RedundancyOptions } from './redundancy.ts';

/** How {@link createReplanner} plans. */
export interface ReplanOptions extends RedundancyOptions {
  /** Steps whose loads are remembered: the plan follows from their sum. */
  readonly window: number;
  /** Steps between plans. */
  readonly every: number;
  /** A plan is taken only where the mean over layers of max/mean load falls by at least this share of itself. Default 0. */
  readonly minGain?: number;
}

/** A plan that was made. */
export interface Replan {
  /** Steps observed when it was made. */
  readonly step: number;
  /** Mean over layers of max/mean load over the window: under the placement until now, and under the new one. */
  readonly before: number;
  readonly after: number;
  /** False where the gain was below `minGain`: the placement stayed. */
  readonly taken: boolean;
  /** What had to be copied; nothing where it was not taken. */
  readonly moves: Moves;
}

/** Plans anew from a sliding window of load statistics. */
export interface Replanner {
  /** Takes the loads of a step, and plans where it is time. A plan is made from past steps only. */
  observe(loads: ExpertLoads): Replan | undefined;
  /** Where the experts are now. */
  readonly placement: Placement;
}

/** A replanner that starts from `start`, with no statistics yet. */
export function createReplanner(start: Placement, options: ReplanOptions): Replanner {
  requireCount(options.window, 'window');
  requireCount(options.every, 'every');
  const layers = start.physicalToLogical.length;
  const sums = Array.from({ length: layers }, () => new Float64Array(start.experts));
  const past: ExpertLoads[] = [];
  let placement = start;
  let step = 0;
  return {
    get placement() {
      return placement;
    },
    observe(loads) {
      checkLoads(loads, start.experts);
      if (loads.length !== layers) {
        const problem = `step ${step} has ${loads.length} layers where the placement has ${layers}`;
        throw inputError(problem, 'wrong-length', 'loads', 'give loads for every layer of the placement');
      }
      past.push(loads);
      accumulate(sums, loads, 1);
      if (past.length > options.window) accumulate(sums, past.shift()!, -1);
      step++;
      if (step % options.every !== 0) return undefined;
      const plan = planOnce(sums, placement, options, step);
      placement = plan.placement;
      return plan.replan;
    },
  };
}

function accumulate(sums: readonly Float64Array[], loads: ExpertLoads, sign: 1 | -1): void {
  sums.forEach((row, layer) => {
    // Sums of loads that are not whole numbers may end just below zero when a step leaves the window.
    for (let expert = 0; expert < row.length; expert++) {
      row[expert] = Math.max(0, row[expert]! + sign * loads[layer]![expert]!);
    }
  });
}

const meanRatio = (placement: Placement, loads: ExpertLoads): number =>
  balanceOf(balanceOfPlacement(placement, loads).map(({ ratio }) => ratio)).mean;

function planOnce(
  loads: ExpertLoads,
  placement: Placement,
  options: ReplanOptions,
  step: number,
): { placement: Placement; replan: Replan } {
  const planned = planRedundancy(loads, placement, options);
  const before = meanRatio(placement, loads);
  const after = meanRatio(planned, loads);
  const taken = after < before * (1 - (options.minGain ?? 0));
  const next = taken ? planned : placement;
  return { placement: next, replan: { step, before, after, taken, moves: movesBetween(placement, next) } };
}
