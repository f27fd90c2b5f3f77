import { expect, it } from 'vitest';
import { gemmProblem } from '../../src/diagnose/gemm/problem.ts';
import { Search } from '../../src/diagnose/search.ts';
import { allocateCodes, dtypeOfFormat } from '../../src/tensors/tensor.ts';
import { blindCase } from './blind/cases.ts';

const count = Number(process.env.BLIND ?? 20);
const from = Number(process.env.BLIND_FROM ?? 1);

it('names the rule of blind cases', { timeout: 3_600_000 }, () => {
  let [named, among, total, slowest, sum] = [0, 0, 0, 0, 0];
  for (let seed = from; seed < from + count; seed++) {
    const t0 = Date.now();
    const made = blindCase(seed);
    const same = made.d.every((code, i) => code === made.own[i]);
    if (same) {
      console.log(`same  ${made.name}`);
      continue;
    }
    total++;
    const dtype = dtypeOfFormat[made.spec.output];
    const codes = allocateCodes(dtype, made.d.length);
    codes.set(made.d);
    const t1 = Date.now();
    const problem = gemmProblem(made.spec, made.inputs, { dtype, shape: [64, 64], codes });
    const found = new Search(problem).run();
    const ms = Date.now() - t1;
    slowest = Math.max(slowest, ms);
    sum += ms;
    const fits = (c: Readonly<Record<string, string>>) =>
      Object.entries(made.expect).every(([axis, value]) => c[axis] === value);
    const best = found.ranked[0]!;
    const ok = fits(best.convention);
    const also = ok || (best.score.differing === 0 && found.equals.some(({ convention }) => fits(convention)));
    if (ok) named++;
    if (also) among++;
    const tell = problem
      .describe(best.convention)
      .map((d) => `${d.axis}=${d.value}`)
      .join('; ');
    console.log(
      `${ok ? 'NAMED' : also ? 'equal' : best.score.differing === 0 ? 'OTHER' : 'MISS '} ${ms} ms (gen ${t1 - t0}) tried ${found.tried} left ${best.score.differing} | ${made.name} | ${ok && process.env.BLIND_QUIET ? '' : tell}`,
    );
  }
  console.log(
    `named first ${named} of ${total}, first or its equal ${among}; slowest ${slowest} ms, mean ${(sum / total).toFixed(0)} ms`,
  );
  expect(named / total).toBeGreaterThanOrEqual(0.9);
});
