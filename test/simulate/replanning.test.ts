import { describe, expect, it } from 'vitest';
import { deepseekV3 } from '../../src/simulate/model.ts';
import { deepseekScenario } from '../../src/simulate/published.ts';
import { compareReplanning } from '../../src/simulate/replanning.ts';

const base = deepseekScenario({
  model: { ...deepseekV3, layers: 9, denseLayers: 1, experts: 64, topK: 4 },
  nodes: 2,
  tokensPerGpu: 4096,
  redundant: 16,
  skew: 0.9,
  drift: 0.2,
});

describe('planning again under drifting loads', () => {
  const [never, often] = compareReplanning(base, { steps: 6, minutes: 10, every: [0, 1] });

  it('keeps the busiest GPU lighter than a plan made once, and so the step shorter', () => {
    expect(often!.imbalance).toBeLessThan(never!.imbalance);
    expect(often!.tokensPerSecondPerNode).toBeGreaterThan(never!.tokensPerSecondPerNode);
  });

  it('costs what its copies take: nothing where none are made', () => {
    expect(never).toMatchObject({ copiedGB: 0, copySeconds: 0, copyShare: 0 });
    expect(often!.copiedGB).toBeGreaterThan(0);
    // 16 GPUs at 200 GB/s, of which the profile says 0.67 are reached.
    expect(often!.copySeconds).toBeCloseTo(often!.copiedGB / 16 / 134, 9);
    expect(often!.copyShare).toBeCloseTo(often!.copySeconds / 600, 12);
  });

  it('that comes as often as loads do not change is for nothing', () => {
    const [once, always] = compareReplanning({ ...base, drift: 0 }, { steps: 2, minutes: 10, every: [0, 1] });
    expect(always!.imbalance / once!.imbalance).toBeCloseTo(1, 1);
  });

  it.each([
    [{ steps: 0 }, /steps is 0/],
    [{ minutes: 0 }, /minutes is 0/],
    [{ every: [] }, /no values/],
    [{ every: [-1] }, /every is -1/],
  ])('refuses %j', (change, message) => {
    expect(() => compareReplanning(base, { steps: 2, minutes: 1, every: [0], ...change })).toThrow(message);
  });
});
