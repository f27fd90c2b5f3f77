import { inputError } from '../errors.ts';
import { generateLoads } from '../moe/generate.ts';
import { type ExpertLoads, requireCount } from '../moe/loads.ts';
import { deepseekV3ExpertBytes } from '../moe/moves.ts';
import { uniformPlacement } from '../moe/placement.ts';
import { planRedundancy } from '../moe/redundancy.ts';
import { createReplanner } from '../moe/replan.ts';
import { linkRates } from './links.ts';
import { prepare, type Scenario } from './scenario.ts';
import { simulate } from './simulate.ts';

/** A series of loads, and how often experts are placed anew. */
export interface ReplanningOptions {
  /** Steps of the series that are simulated, after one whose loads are known at the start. */
  readonly steps: number;
  /** Minutes from one step to the next: loads drift by the scenario's `drift` in that time. */
  readonly minutes: number;
  /** Steps between plans, one run each; 0: never again after the start. */
  readonly every: readonly number[];
}

/** How one of them fares. */
export interface ReplanningRow {
  readonly every: number;
  /** Mean over steps, copying taken off; the worst step; mean max/mean rows. */
  readonly tokensPerSecondPerNode: number;
  readonly worst: number;
  readonly imbalance: number;
  /** GB copied at a plan, all GPUs and layers of the model; seconds it takes over NVLink; share of the time. */
  readonly copiedGB: number;
  readonly copySeconds: number;
  readonly copyShare: number;
}

/** Distinct layers whose loads are generated; the model's layers take them in turn. */
const distinctLayers = 4;

/**
 * Plays drifting loads through a deployment whose experts are placed anew every so often from the loads since the last plan. Every run gets the same tokens. A step is simulated
 * under the placement made before it; a plan stops the GPUs while its copies travel inside the nodes.
 */
export function compareReplanning(base: Scenario, options: ReplanningOptions): ReplanningRow[] {
  checkOptions(options);
  const { model, hardware, nodes, redundant, skew, drift, seed } = base;
  const cluster = { nodes, gpus: nodes * hardware.gpusPerNode };
  const recipe = {
    layers: distinctLayers,
    experts: model.experts,
    tokens: 65_536,
    topK: model.topK,
    skew,
    drift,
    seed,
  };
  const [first, ...series] = generateLoads({ ...recipe, steps: options.steps + 1 });
  const start = planRedundancy(first!, uniformPlacement(distinctLayers, model.experts, cluster), { redundant });
  const steps = series.map((loads, step) => {
    const scenario = { ...base, loads, seed: seed + step };
    return { loads, scenario: { ...scenario, routings: prepare(scenario).routings } };
  });
  return options.every.map((every) => run(every, start, steps, base, options.minutes));
}

function checkOptions({ steps, minutes, every }: ReplanningOptions): void {
  requireCount(steps, 'steps');
  if (!(minutes > 0)) throw inputError(`minutes is ${minutes}`, 'out-of-range', 'minutes', 'give a time above 0');
  if (every.length === 0) throw inputError('there are no values', 'no-values', 'every', 'give some, as in 0,1,5');
  for (const value of every) requireCount(value, 'every', 0);
}

interface Step {
  readonly loads: ExpertLoads;
  readonly scenario: Scenario;
}

function run(
  every: number,
  start: NonNullable<Scenario['placement']>,
  steps: readonly Step[],
  base: Scenario,
  minutes: number,
): ReplanningRow {
  const { model, redundant } = base;
  const never = steps.length + 1;
  const replanner = createReplanner(start, { redundant, window: every || never, every: every || never });
  const rates: number[] = [];
  const imbalances: number[] = [];
  let [plans, bytes] = [0, 0];
  for (const { loads, scenario } of steps) {
    const { result } = simulate({ ...scenario, placement: replanner.placement });
    rates.push(result.tokensPerSecondPerNode);
    imbalances.push(result.imbalance);
    const replan = replanner.observe(loads);
    if (replan === undefined) continue;
    plans++;
    bytes += (replan.moves.copies / distinctLayers) * (model.layers - model.denseLayers) * deepseekV3ExpertBytes;
  }
  const each = plans === 0 ? 0 : bytes / plans;
  const gpus = base.nodes * base.hardware.gpusPerNode;
  // Nothing else runs meanwhile.
  const copySeconds = each / gpus / linkRates({ ...base, overlap: 'none' }).nvlink;
  const copyShare = every === 0 ? 0 : Math.min(1, copySeconds / (every * minutes * 60));
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    every,
    tokensPerSecondPerNode: mean(rates) * (1 - copyShare),
    worst: Math.min(...rates),
    imbalance: mean(imbalances),
    copiedGB: each / 1e9,
    copySeconds,
    copyShare,
  };
}
