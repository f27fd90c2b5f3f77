import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { drawRouting, generateLoads } from '../../src/moe/generate.ts';
import { countExperts, routingOf } from '../../src/moe/routing.ts';
import { deepseekV3TokenBytes, trafficOf } from '../../src/moe/traffic.ts';

const cluster = { nodes: 2, gpus: 4 };

describe('trafficOf', () => {
  it('sends a token once to a node and once to a GPU, by the landing GPU of the same index', () => {
    // Four tokens, one on each GPU; expert e is physical expert e, two a GPU.
    const routing = routingOf([0, 1, /* */ 4, 6, /* */ 4, 5, /* */ 0, 7], 2, 8);
    const traffic = trafficOf(routing, routing.topkIdx, 2, cluster, { dispatch: 10, combine: 100 });
    // Token 0 stays on GPU 0. Token 1 (GPU 1) goes to node 1, lands on GPU 3 and on to GPU 2: experts 4 and 6 are on GPUs 2 and 3.
    // Token 2 (GPU 2) stays there. Token 3 (GPU 3) lands on GPU 1, goes on to GPU 0, and is at home on GPU 3.
    expect(traffic.nodeTokens).toEqual([
      [0, 1],
      [1, 0],
    ]);
    const links = Array.from(traffic.nvlinkTokens).flatMap((tokens, at) =>
      tokens > 0 ? [[at >> 2, at & 3, tokens]] : [],
    );
    expect(links).toEqual([
      [1, 0, 1],
      [3, 2, 1],
    ]);
    expect(traffic.nodesPerToken).toBe(6 / 4 - 1 / 4);
    expect(traffic.dispatch).toEqual({ ib: 20, nvlink: 20, ibBusiestSend: 10, ibBusiestReceive: 10 });
    expect(traffic.combine).toEqual({ ib: 200, nvlink: 200, ibBusiestSend: 100, ibBusiestReceive: 100 });
  });

  it('sends nothing for masked slots', () => {
    const routing = routingOf([-1, -1, -1, -1], 1, 8);
    const traffic = trafficOf(routing, routing.topkIdx, 2, cluster);
    expect(traffic.dispatch).toEqual({ ib: 0, nvlink: 0, ibBusiestSend: 0, ibBusiestReceive: 0 });
  });

  it('counts the bytes of a token as section 3.3.3 has them: FP8 with f32 scales there, bf16 back', () => {
    expect(deepseekV3TokenBytes).toEqual({ dispatch: 7392, combine: 14336 });
  });

  it('with a node limit of m no token goes to more than m nodes', () => {
    const loads = generateLoads({
      layers: 1,
      experts: 64,
      steps: 1,
      tokens: 4096,
      topK: 8,
      skew: 0.5,
      drift: 0,
      seed: 1,
    })[0]![0]!;
    let before = 0;
    for (let limit = 1; limit <= 8; limit++) {
      const routing = drawRouting(loads, { tokens: 512, topK: 8, seed: 2, groups: 8, groupLimit: limit });
      for (let token = 0; token < 512; token++) {
        const row = routing.topkIdx.slice(token * 8, token * 8 + 8);
        expect(new Set(row).size).toBe(8);
        expect(new Set(Array.from(row, (expert) => expert >> 3)).size).toBeLessThanOrEqual(limit);
      }
      const { nodesPerToken } = trafficOf(routing, routing.topkIdx, 1, { nodes: 8, gpus: 64 });
      expect(nodesPerToken).toBeGreaterThan(before);
      expect(nodesPerToken).toBeLessThanOrEqual(limit);
      before = nodesPerToken;
    }
  });
});

describe('generated loads', () => {
  const recipe = { layers: 2, experts: 32, steps: 6, tokens: 2000, topK: 4, skew: 1, drift: 0.2, seed: 11 };

  it('are the same for the same seed, and others for another', () => {
    expect(generateLoads(recipe)).toEqual(generateLoads(recipe));
    expect(generateLoads({ ...recipe, seed: 12 })).not.toEqual(generateLoads(recipe));
  });

  it('are whole numbers of at most one choice a token, about tokens * topK in all, as skewed as asked for', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 2, noNaN: true }), fc.nat(1000), (skew, seed) => {
        const rows = generateLoads({ ...recipe, skew, seed }).flat();
        for (const row of rows) {
          const loads = Array.from(row);
          for (const load of loads) expect(Number.isInteger(load) && load >= 0 && load <= 2000).toBe(true);
          const total = loads.reduce((sum, load) => sum + load, 0);
          expect(total / 8000).toBeGreaterThan(0.9);
          expect(total / 8000).toBeLessThan(1.1);
        }
        const sorted = Array.from(rows[0]!).sort((a, b) => b - a);
        // Ranks 9 and 18 are below the cap: their ratio is 2^skew, give or take the noise of a few hundred tokens.
        if (skew < 1) expect(Math.log2(sorted[8]! / sorted[17]!)).toBeCloseTo(skew, 0);
      }),
      { numRuns: 60 },
    );
  });

  it('stay in order without drift, and lose it with', () => {
    const overlap = (drift: number): number => {
      const series = generateLoads({ ...recipe, tokens: 200_000, drift });
      const hottest = (step: number): number[] =>
        Array.from({ length: 32 }, (_, expert) => expert)
          .sort((a, b) => series[step]![0]![b]! - series[step]![0]![a]!)
          .slice(0, 8);
      return hottest(5).filter((expert) => hottest(0).includes(expert)).length;
    };
    expect(overlap(0)).toBe(8);
    expect(overlap(1)).toBeLessThan(6);
  });

  it('come back as loads when tokens are drawn from them', () => {
    const loads = [10, 0, 30, 5, 40, 15];
    const counts = countExperts(drawRouting(loads, { tokens: 20_000, topK: 1, seed: 4 }));
    expect(counts[1]).toBe(0);
    loads.forEach((load, expert) => {
      expect(counts[expert]! / 200).toBeCloseTo(load, -0.2);
    });
  });

  it.each([
    [{ topK: 33 }, /top-33 of 32 experts/],
    [{ skew: -1 }, /skew is -1/],
    [{ skew: Number.NaN }, /skew is NaN/],
    [{ drift: 2 }, /drift is 2/],
    [{ seed: -1 }, /seed is -1/],
    [{ layers: 0 }, /layers is 0/],
  ])('refuse %j', (change, message) => {
    expect(() => generateLoads({ ...recipe, ...change })).toThrow(message);
  });

  it.each([
    [[1, 2, 3], { tokens: 1, topK: 1, seed: 1, groups: 2 }, /3 experts do not divide by 2 groups/],
    [[1, 0, 0], { tokens: 1, topK: 2, seed: 1 }, /only 1 of 3 experts have a load, and a token chooses 2/],
    [[1, 1, 1, 1], { tokens: 1, topK: 3, seed: 1, groups: 2, groupLimit: 1 }, /top-3 of 2 experts/],
  ])('refuse to draw from %j %j', (loads, options, message) => {
    expect(() => drawRouting(loads, options)).toThrow(message);
  });
});

describe('routingOf', () => {
  it.each([
    [[0, 1, 9], 1, 4, /token 2, slot 0 names expert 9 of 4/],
    [[0, 1, 2], 2, 4, /3 indices are no whole number of tokens with 2 each/],
    [[0, 1.5], 2, 4, /names expert 1.5/],
    [[0, 1], 5, 4, /top-5 of 4 experts/],
  ])('refuses %j', (indices, topK, experts, message) => {
    expect(() => routingOf(indices, topK, experts)).toThrow(message);
  });
});
