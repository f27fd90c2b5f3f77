import { type Convention, diagnose, type Problem, problemOf, type SearchOptions } from '../../../src/diagnose/index.ts';
import { scoreOf } from '../../../src/diagnose/score.ts';
import type { BlindCase } from './draw.ts';

/**
 * `named`: the first candidate is the rule that was drawn, axis by axis, and nothing more. `tied`: the first has the same bits, and the drawn
 * one is listed among those which cannot be told apart. `same-bits`: it is not listed. `missed`: bits are left over. `foreign`: no convention
 * known to the product gives the result.
 */
export type Outcome = 'named' | 'tied' | 'same-bits' | 'missed' | 'foreign';

export interface Measured {
  readonly name: string;
  readonly outcome: Outcome;
  readonly wall: number;
  readonly cpu: number;
  readonly answer: string;
}

/** Diagnoses one case, with the default time budget unless another is given (in milliseconds). */
export function measure({ name, spec, inputs, actual, expect }: BlindCase, options: SearchOptions = {}): Measured {
  const [start, before] = [performance.now(), process.cpuUsage()];
  const { candidates, equals } = diagnose(spec, inputs, actual, options);
  const wall = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before);
  const problem = problemOf(spec, inputs, actual);
  const drawn = effective(problem, problem.canonical({ ...problem.spec, ...Object.assign({}, ...expect) }));
  const wanted = deviationsOf(problem, drawn);
  const best = candidates[0]!;
  const is = ({ convention }: { readonly convention: Convention }): boolean =>
    deviationsOf(problem, convention) === wanted;
  const { confirmed } = problem;
  const known = scoreOf(problem, confirmed, problem.predict(drawn, confirmed)).differing === 0;
  const outcome = !known
    ? 'foreign'
    : is(best)
      ? 'named'
      : best.differing > 0
        ? 'missed'
        : equals.some(is)
          ? 'tied'
          : 'same-bits';
  const answer = problem.describe(best.convention).map(({ title, words }) => `${title}: ${words}`);
  return { name, outcome, wall, cpu: (user + system) / 1e6, answer: answer.join('; ') };
}

/** A convention without the deviations that the result does not show. */
function effective(problem: Problem, drawn: Convention): Convention {
  const { confirmed, spec } = problem;
  const result = (convention: Convention): string => problem.predict(convention, confirmed).join();
  const whole = result(drawn);
  let kept = drawn;
  for (const { axes } of problem.describe(drawn)) {
    const without = problem.canonical({ ...kept, ...Object.fromEntries(axes.map((axis) => [axis, spec[axis]!])) });
    if (result(without) === whole) kept = without;
  }
  return kept;
}

/** Where a convention leaves the spec, as one text. */
function deviationsOf(problem: Problem, convention: Convention): string {
  return problem
    .describe(convention)
    .map(({ axis, value }) => `${axis}=${value}`)
    .sort()
    .join(' ');
}

/** One line a case that was not named, and the shares. */
export function reportOf(results: readonly Measured[], all: boolean): string {
  const count = (outcome: Outcome): number => results.filter((it) => it.outcome === outcome).length;
  const lines = results
    .filter(({ outcome }) => all || outcome !== 'named')
    .map(
      ({ name, outcome, wall, cpu, answer }) =>
        `${outcome}, ${wall.toFixed(1)} s (${cpu.toFixed(1)} CPU): ${name}\n    -> ${answer}`,
    );
  const walls = results.map(({ wall }) => wall).sort((a, b) => a - b);
  const cpus = results.map(({ cpu }) => cpu).sort((a, b) => a - b);
  const spent = (list: readonly number[]): string =>
    `median ${list[list.length >> 1]!.toFixed(1)}, most ${list.at(-1)!.toFixed(1)}`;
  const tallies = (['named', 'tied', 'same-bits', 'missed', 'foreign'] as const).map((it) => `${it} ${count(it)}`);
  return [
    ...lines,
    `${tallies.join(', ')} of ${results.length}; wall seconds: ${spent(walls)}; CPU seconds: ${spent(cpus)}`,
  ].join('\n');
}
