import { describe, expect, it } from 'vitest';
import { gemmProblem } from '../../src/diagnose/gemm/problem.ts';
import type { Convention } from '../../src/diagnose/index.ts';
import { scoreOf } from '../../src/diagnose/score.ts';
import { Search } from '../../src/diagnose/search.ts';
import { allocateCodes, dtypeOfFormat } from '../../src/tensors/tensor.ts';
import { type BlindCase, blindCase } from './blind/cases.ts';

/** How many cases, and the first seed; `BLIND=200 BLIND_FROM=1000` measures at length. */
const count = Number(process.env.BLIND ?? 6);
const from = Number(process.env.BLIND_FROM ?? 20);

type Outcome = 'named' | 'equal' | 'missed';

/** Searches one case: `named` where the first candidate has the axes that were drawn, `equal` where it and they both reproduce every bit. */
function outcomeOf(made: BlindCase): { outcome: Outcome; seconds: number; answer: string } {
  const [m, n] = [made.spec.shape.m, made.spec.shape.n];
  const dtype = dtypeOfFormat[made.spec.output];
  const codes = allocateCodes(dtype, m * n);
  codes.set(made.d);
  const problem = gemmProblem(made.spec, made.inputs, { dtype, shape: [m, n], codes });
  const before = process.cpuUsage();
  const best = new Search(problem, { budget: 120_000 }).run().ranked[0]!;
  const { user, system } = process.cpuUsage(before);
  const has = (convention: Convention): boolean =>
    Object.entries(made.expect).every(([axis, value]) => convention[axis] === value);
  const drawn = problem.canonical({ ...problem.spec, ...made.expect });
  const differing = scoreOf(problem, problem.confirmed, problem.predict(drawn, problem.confirmed)).differing;
  const outcome = has(best.convention) ? 'named' : best.score.differing === 0 && differing === 0 ? 'equal' : 'missed';
  const answer = problem.describe(best.convention).map(({ title, words }) => `${title}: ${words}`);
  return { outcome, seconds: (user + system) / 1e6, answer: answer.join('; ') };
}

describe('outputs made by rules that were drawn blindly, in other code', () => {
  it(`names the rule of at least 95 % of ${count}, 64x64 with k = 1024`, { timeout: 300_000 * count }, () => {
    const cases = Array.from({ length: count }, (_, i) => blindCase(from + i)).filter(({ d, own }) =>
      d.some((code, i) => code !== own[i]),
    );
    const results = cases.map((made) => ({ name: made.name, ...outcomeOf(made) }));
    for (const { name, outcome, seconds, answer } of results) {
      if (outcome !== 'named' || count > 10) console.log(`${outcome}, ${seconds.toFixed(1)} s: ${name} -> ${answer}`);
    }
    const share = (wanted: readonly Outcome[]): number =>
      results.filter(({ outcome }) => wanted.includes(outcome)).length;
    const seconds = results.map((result) => result.seconds).sort((a, b) => a - b);
    console.log(
      `named first ${share(['named'])} of ${results.length}, that or a rule with the same bits ${share(['named', 'equal'])}; ` +
        `CPU seconds: median ${seconds[seconds.length >> 1]!.toFixed(1)}, most ${seconds.at(-1)!.toFixed(1)}`,
    );
    expect(share(['named', 'equal']) / results.length).toBeGreaterThanOrEqual(0.95);
    expect(seconds.at(-1)).toBeLessThan(20);
  });
});
