import { describe, expect, it } from 'vitest';
import { generateLoads } from '../../src/moe/generate.ts';
import { assignOptimally } from '../../src/moe/optimum.ts';
import { hostsOf, uniformPlacement } from '../../src/moe/placement.ts';
import { comparePolicies, sumOf } from '../../src/moe/policies.ts';
import { planRedundancy } from '../../src/moe/redundancy.ts';

const cluster = { nodes: 2, gpus: 8 };
const series = generateLoads({
  layers: 2,
  experts: 32,
  steps: 14,
  tokens: 20_000,
  topK: 4,
  skew: 0.8,
  drift: 0.15,
  seed: 2,
});
const options = { cluster, redundant: 8, window: 2, every: 2, hosted: 8, active: 6 };

describe('comparePolicies', () => {
  const results = comparePolicies(series, options);
  const meanOf = (policy: string): number => {
    const { steps } = results.find((result) => result.policy === policy)!;
    return steps.reduce((sum, { mean }) => sum + mean, 0) / steps.length;
  };

  it('ranks them as drifting loads must: even, planned once, re-planned, dynamic', () => {
    expect(meanOf('once')).toBeLessThan(meanOf('even'));
    expect(meanOf('replanned')).toBeLessThan(meanOf('once'));
    expect(meanOf('dynamic')).toBeLessThan(meanOf('replanned'));
  });

  it('judges a step by what was known before it', () => {
    const changed = series.map((loads, step) => (step < 13 ? loads : loads.map((row) => Array.from(row).reverse())));
    const other = comparePolicies(changed, options);
    results.forEach(({ steps }, at) => {
      expect(other[at]!.steps.slice(0, -1)).toEqual(steps.slice(0, -1));
    });
    expect(other[2]!.steps.at(-1)).not.toEqual(results[2]!.steps.at(-1));
  });

  it('gives dynamic redundancy the optimum of each layer', () => {
    const placed = planRedundancy(sumOf(series.slice(0, 2)), uniformPlacement(2, 32, cluster), {
      redundant: 32,
      slotsPerGpu: 8,
      dynamic: true,
    });
    const ratios = series[2]!.map((row, layer) => {
      const { most } = assignOptimally({ counts: row, hosts: hostsOf(placed, layer), gpus: 8, active: 6 });
      return most / (Array.from(row).reduce((sum, load) => sum + load, 0) / 8);
    });
    expect(results[3]!.steps[0]!.worst).toBeCloseTo(Math.max(...ratios), 12);
  });

  it('plans every so many steps, and moves nothing where nothing is planned', () => {
    expect(results.map(({ replans }) => replans.map(({ step }) => step))).toEqual([
      [],
      [],
      [4, 6, 8, 10, 12, 14],
      [4, 6, 8, 10, 12, 14],
    ]);
  });

  it.each([
    [{ window: 14 }, /14 steps do not go beyond a window of 14/],
    [{ hosted: 3 }, /8 GPUs that host 3 experts hold 24 of 32/],
    [{ active: 0 }, /active is 0/],
    [{ redundant: 7 }, /7 redundant experts do not divide by 2 nodes/],
  ])('refuses %j with the numbers', (change, message) => {
    expect(() => comparePolicies(series, { ...options, ...change })).toThrow(message);
  });
});
