import { type Fp8labError, inputError } from '../errors.ts';

/** Tokens each expert got: a row a layer, a column an expert. Counts or any shares of them; finite, not negative. */
export type ExpertLoads = readonly ArrayLike<number>[];

/** An error of what was given to the planner. */
export function loadError(problem: string, code: string, where: string, fix: string): Fp8labError {
  return inputError(problem, code, where, fix);
}

/** A whole number of at least `least`, or an error that says its name and value. */
export function requireCount(value: number, name: string, least = 1): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  const fix = `give a whole number of at least ${least}`;
  throw inputError(`${name} is ${value}`, 'bad-count', name, fix);
}

/** Checks a number of duplicates: whole, and no more than an expert for every GPU. */
export function requireRedundant(redundant: number, experts: number, gpus: number): void {
  requireCount(redundant, 'redundant experts', 0);
  if (redundant <= experts * gpus) return;
  const problem = `${redundant} duplicates of ${experts} experts are more than one of each on each of ${gpus} GPUs`;
  throw inputError(problem, 'too-many-replicas', 'redundant experts', `give at most ${experts * gpus}`);
}

/** Refuses a division with a rest: `256 experts do not divide by 7 groups`. */
export function requireDivisible(value: number, name: string, divisor: number, by: string): void {
  if (value % divisor === 0) return;
  const problem = `${value} ${name} do not divide by ${divisor} ${by}: ${value % divisor} would be left over`;
  throw inputError(problem, 'not-divisible', name, `choose ${by} so that ${name} / ${by} is whole`);
}

/**
 * Checks loads: at least one layer, every layer of the same length, every load finite and not negative.
 * @param experts the length each layer must have, where the caller knows it
 * @returns the number of experts
 */
export function checkLoads(loads: ExpertLoads, experts: number | undefined = loads[0]?.length): number {
  if (loads.length === 0 || !experts) {
    throw inputError('there are no loads', 'no-loads', 'loads', 'give a row of loads for each layer');
  }
  loads.forEach((row, layer) => {
    if (row.length !== experts) {
      const problem = `layer ${layer} has ${row.length} loads where ${experts} experts are expected`;
      throw inputError(problem, 'wrong-length', `loads[${layer}]`, 'give one load for each expert');
    }
    for (let expert = 0; expert < experts; expert++) checkLoad(row[expert], layer, expert);
  });
  return experts;
}

function checkLoad(load: number | undefined, layer: number, expert: number): void {
  if (typeof load === 'number' && Number.isFinite(load) && load >= 0) return;
  const problem = `the load of layer ${layer}, expert ${expert} is ${load}`;
  throw inputError(problem, 'bad-load', `loads[${layer}][${expert}]`, 'loads are finite numbers of at least 0');
}

/** Most and mean of some loads, and their ratio: 1 is perfect balance. No load at all counts as balanced. */
export interface Balance {
  readonly most: number;
  readonly mean: number;
  readonly ratio: number;
}

/** The balance of some loads. */
export function balanceOf(loads: ArrayLike<number>): Balance {
  let most = 0;
  let sum = 0;
  for (let at = 0; at < loads.length; at++) {
    most = Math.max(most, loads[at]!);
    sum += loads[at]!;
  }
  const mean = sum / loads.length;
  return { most, mean, ratio: sum === 0 ? 1 : most / mean };
}
