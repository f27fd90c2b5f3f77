import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assignTokens, hashReplica } from '../../src/moe/assign.ts';
import type { AssignmentProblem } from '../../src/moe/flow.ts';
import { drawRouting, generateLoads } from '../../src/moe/generate.ts';
import { assignOptimally, holds } from '../../src/moe/optimum.ts';
import { gpuLoads, hostsOf, uniformPlacement } from '../../src/moe/placement.ts';
import { planRedundancy } from '../../src/moe/redundancy.ts';
import { countExperts } from '../../src/moe/routing.ts';
import { cpuMilliseconds } from '../helpers/cpu-time.ts';

/** Every assignment there is, by trying: the least busiest GPU, with at most `active` experts a GPU. */
function bruteForce({ counts, hosts, gpus, active = Number.POSITIVE_INFINITY }: AssignmentProblem): number {
  const load = new Array<number>(gpus).fill(0);
  const experts = new Array<number>(gpus).fill(0);
  let best = Number.POSITIVE_INFINITY;
  const place = (expert: number, host: number, left: number): void => {
    if (Math.max(...load) >= best) return;
    if (expert === counts.length) {
      best = Math.max(...load);
      return;
    }
    if (host === hosts[expert]!.length) {
      if (left === 0) place(expert + 1, 0, counts[expert + 1] ?? 0);
      return;
    }
    const gpu = hosts[expert]![host]!;
    for (let tokens = left; tokens >= 0; tokens--) {
      const added = tokens > 0 ? 1 : 0;
      if (experts[gpu]! + added > active) continue;
      load[gpu]! += tokens;
      experts[gpu]! += added;
      place(expert, host + 1, left - tokens);
      load[gpu]! -= tokens;
      experts[gpu]! -= added;
    }
  };
  place(0, 0, counts[0]!);
  return best;
}

const smallProblem = fc.integer({ min: 1, max: 4 }).chain((gpus) =>
  fc
    .array(
      fc.record({
        count: fc.integer({ min: 0, max: 6 }),
        hosts: fc.uniqueArray(fc.integer({ min: 0, max: gpus - 1 }), { minLength: 1, maxLength: gpus }),
      }),
      { minLength: 1, maxLength: 4 },
    )
    .map((experts) => ({ counts: experts.map(({ count }) => count), hosts: experts.map(({ hosts }) => hosts), gpus })),
);

/** What any answer must be: every token somewhere, sums right, limits kept, certificate true. */
function expectSound(problem: AssignmentProblem): ReturnType<typeof assignOptimally> {
  const answer = assignOptimally(problem);
  const loads = new Array<number>(problem.gpus).fill(0);
  const active = new Array<number>(problem.gpus).fill(0);
  answer.tokens.forEach((row, expert) => {
    expect(row).toHaveLength(problem.hosts[expert]!.length);
    expect(row.reduce((sum, tokens) => sum + tokens, 0)).toBe(problem.counts[expert]);
    row.forEach((tokens, host) => {
      expect(Number.isInteger(tokens) && tokens >= 0).toBe(true);
      loads[problem.hosts[expert]![host]!]! += tokens;
      if (tokens > 0) active[problem.hosts[expert]![host]!]!++;
    });
  });
  expect(answer.gpuLoads).toEqual(loads);
  expect(answer.activeExperts).toEqual(active);
  expect(answer.most).toBe(Math.max(0, ...loads));
  expect(Math.max(...active)).toBeLessThanOrEqual(problem.active ?? problem.counts.length);
  expect(holds(answer.certificate, problem)).toBe(true);
  expect(answer.certificate.bound).toBeLessThanOrEqual(answer.most);
  expect(answer.optimal).toBe(answer.most === answer.certificate.bound);
  return answer;
}

describe('assignOptimally', () => {
  it('reaches the least maximum that trying everything finds, and proves it', () => {
    fc.assert(
      fc.property(smallProblem, (problem) => {
        const answer = expectSound(problem);
        expect(answer.most).toBe(bruteForce(problem));
        expect(answer.optimal).toBe(true);
      }),
      { numRuns: 1500 },
    );
  });

  it('is optimal on large problems by its certificate alone', () => {
    const problems = fc.integer({ min: 2, max: 24 }).chain((gpus) =>
      fc
        .array(
          fc.record({
            count: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 5000 })),
            hosts: fc.uniqueArray(fc.integer({ min: 0, max: gpus - 1 }), { minLength: 1, maxLength: 5 }),
          }),
          { minLength: 1, maxLength: 80 },
        )
        .map((list) => ({ counts: list.map(({ count }) => count), hosts: list.map(({ hosts }) => hosts), gpus })),
    );
    fc.assert(
      fc.property(problems, (problem) => {
        expect(expectSound(problem).optimal).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('names the experts that no better assignment can serve', () => {
    // Experts 0 and 1 share GPUs 0 and 1; expert 2 has GPU 2 for itself, and the mean of 10 cannot be reached.
    const { most, certificate } = assignOptimally({ counts: [12, 13, 5], hosts: [[0, 1], [1, 0], [2]], gpus: 3 });
    expect(certificate).toEqual({ experts: [0, 1], gpus: [0, 1], tokens: 25, bound: 13 });
    expect(most).toBe(13);
  });

  it('refuses a certificate that leaves a GPU, a token or a unit of its bound out', () => {
    const problem = { counts: [12, 13, 5], hosts: [[0, 1], [1, 0], [2]], gpus: 3 };
    const { certificate } = assignOptimally(problem);
    expect(holds({ ...certificate, gpus: [0] }, problem)).toBe(false);
    expect(holds({ ...certificate, tokens: 26 }, problem)).toBe(false);
    expect(holds({ ...certificate, bound: 14 }, problem)).toBe(false);
  });

  it('with a limit of active experts never breaks it, and lies between the bound and what trying everything finds nearly always at it', () => {
    let [cases, reached] = [0, 0];
    fc.assert(
      fc.property(smallProblem, fc.integer({ min: 1, max: 2 }), (problem, active) => {
        const limited = { ...problem, active };
        const best = bruteForce(limited);
        if (best === Number.POSITIVE_INFINITY) {
          expect(() => assignOptimally(limited)).toThrow(/may activate/);
          return;
        }
        const answer = expectSound(limited);
        expect(answer.most).toBeGreaterThanOrEqual(best);
        if (answer.optimal) expect(answer.most).toBe(best);
        cases++;
        if (answer.most === best) reached++;
      }),
      { numRuns: 1500, seed: 7 },
    );
    expect(reached / cases).toBeGreaterThan(0.95);
  });

  it.each([
    [{ counts: [1, 2], hosts: [[0]], gpus: 1 }, /tokens of 2 experts and hosts of 1/],
    [{ counts: [3], hosts: [[]], gpus: 1 }, /expert 0 has 3 tokens and is on no GPU/],
    [{ counts: [3], hosts: [[4]], gpus: 2 }, /on GPU 4 of 2/],
    [{ counts: [3], hosts: [[1, 1]], gpus: 2 }, /names a GPU twice/],
    [{ counts: [0.5], hosts: [[0]], gpus: 1 }, /counts\[0\] is 0.5/],
    [{ counts: [1, 1, 1], hosts: [[0], [0], [0]], gpus: 2, active: 2 }, /3 experts .* 1 GPUs .* 2 each: 2/],
  ])('refuses %j with the numbers', (problem, message) => {
    expect(() => assignOptimally(problem)).toThrow(message);
  });
});

describe('assigning the tokens of a layer', () => {
  const cluster = { nodes: 4, gpus: 32 };
  const recipe = { layers: 1, experts: 256, steps: 1, tokens: 32 * 4096, topK: 8, skew: 0.8, drift: 0, seed: 5 };
  const [loads] = generateLoads(recipe);
  const uniform = uniformPlacement(1, 256, cluster);
  const hosted = planRedundancy(loads!, uniform, { redundant: 256, dynamic: true });
  const routing = drawRouting(loads![0]!, { tokens: 4096, topK: 8, seed: 9 });

  it('hosting 16 with 9 active beats the static plan with one duplicate a GPU, and says how far from the bound it is', () => {
    const counts = countExperts(routing);
    const fixed = planRedundancy(loads!, uniform, { redundant: 32 });
    const dynamic = assignOptimally({ counts, hosts: hostsOf(hosted, 0), gpus: 32, active: 9 });
    expect(Math.max(...dynamic.activeExperts)).toBeLessThanOrEqual(9);
    expect(dynamic.most).toBeLessThan(Math.max(...gpuLoads(fixed, 0, counts)));
    expect(dynamic.most / dynamic.certificate.bound).toBeLessThan(1.05);
  });

  it.each(['hash', 'optimal'] as const)('by the rule %s every pair goes to a replica of its expert', (rule) => {
    const { physical, gpuLoads: loadOf } = assignTokens(routing, hosted, 0, rule);
    const sums = new Float64Array(32);
    physical.forEach((slot, at) => {
      expect(hosted.physicalToLogical[0]![slot]).toBe(routing.topkIdx[at]);
      sums[Math.floor(slot / hosted.slotsPerGpu)]!++;
    });
    expect(loadOf).toEqual(sums);
  });

  it('the optimum is no busier than the cheap rule on the same tokens', () => {
    const hash = assignTokens(routing, hosted, 0, 'hash');
    const optimal = assignTokens(routing, hosted, 0, 'optimal');
    expect(Math.max(...optimal.gpuLoads)).toBeLessThanOrEqual(Math.max(...hash.gpuLoads));
    expect(optimal.optimum!.optimal).toBe(true);
  });

  it('the cheap rule does not wrap where 32 bits would', () => {
    expect(hashReplica(3, 184_073, 3)).toBe(Number((3n + 184_073n * 23333n) % 3n));
    expect((184_073 * 23333) % 2 ** 32).not.toBe(184_073 * 23333);
  });

  it('takes under 20 ms for one layer of 4,096 tokens', () => {
    for (const active of [undefined, 9]) {
      const work = (): void => void assignTokens(routing, hosted, 0, 'optimal', active);
      expect(cpuMilliseconds(9, work)).toBeLessThan(20);
    }
  });
});
