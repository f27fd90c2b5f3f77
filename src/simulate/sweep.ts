import { inputError } from '../errors.ts';
import { deepseekV3ExpertBytes } from '../moe/moves.ts';
import type { SweepAxis } from './names.ts';
import { prepare, type Scenario, type Workload } from './scenario.ts';
import { type SimulationResult, simulate } from './simulate.ts';

/** One value of a sweep. */
export interface SweepRow {
  readonly value: number;
  readonly result: SimulationResult;
  /** GB of routed experts that a GPU holds in all layers. */
  readonly expertGB: number;
}

const changes: Readonly<Record<SweepAxis, (value: number) => Partial<Scenario>>> = {
  'comm-sms': (commSms) => ({ commSms }),
  redundant: (redundant) => ({ redundant }),
  'group-limit': (groupLimit) => ({ groupLimit }),
  drift: (drift) => ({ drift }),
  skew: (skew) => ({ skew }),
  nodes: (nodes) => ({ nodes }),
  tokens: (tokensPerGpu) => ({ tokensPerGpu }),
  context: (context) => ({ context }),
  'plan-us': (microseconds) => ({ planSeconds: microseconds * 1e-6 }),
};

/** Axes that change neither routing nor placement: what was prepared serves all values. */
const sameWork: ReadonlySet<SweepAxis> = new Set(['comm-sms', 'context', 'plan-us']);

/** Simulates a scenario for several values of one setting. */
export function sweep(
  base: Scenario,
  axis: SweepAxis,
  values: readonly number[],
  onRow?: (row: SweepRow) => void,
): SweepRow[] {
  if (values.length === 0) throw inputError('there are no values', 'no-values', axis, 'give some, as in 4,8,12');
  return sweepSteps(base, axis, values).map((step) => {
    const row = step();
    onRow?.(row);
    return row;
  });
}

/** A sweep as steps to take in order, one a value; what can be shared among values is prepared once. */
export function sweepSteps(base: Scenario, axis: SweepAxis, values: readonly number[]): (() => SweepRow)[] {
  let prepared: Workload | undefined;
  return values.map((value) => () => {
    const scenario = { ...base, ...changes[axis](value) };
    // The same tokens for every number of duplicates: only their replicas differ.
    const given =
      axis === 'redundant' && prepared
        ? { ...scenario, loads: prepared.planned, routings: prepared.routings }
        : scenario;
    const work: Workload = prepared !== undefined && sameWork.has(axis) ? prepared : prepare(given);
    prepared ??= work;
    const { result } = simulate(scenario, work);
    return { value, result, expertGB: expertGB(scenario, work) };
  });
}

/** GB of routed experts on a GPU, all layers. */
function expertGB({ model }: Scenario, { placement }: Workload): number {
  const scale = (model.hidden * model.expertWidth) / (7168 * 2048);
  return ((model.layers - model.denseLayers) * placement.slotsPerGpu * deepseekV3ExpertBytes * scale) / 1e9;
}
