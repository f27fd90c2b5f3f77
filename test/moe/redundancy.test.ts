import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assignTokens } from '../../src/moe/assign.ts';
import { drawRouting, generateLoads } from '../../src/moe/generate.ts';
import { balanceOf, type ExpertLoads } from '../../src/moe/loads.ts';
import { deepseekV3ExpertBytes, movesBetween } from '../../src/moe/moves.ts';
import {
  balanceOfPlacement,
  checkPlacement,
  gpuLoads,
  homeNodes,
  hostsOf,
  type Placement,
  uniformPlacement,
} from '../../src/moe/placement.ts';
import { planRedundancy } from '../../src/moe/redundancy.ts';
import { createReplanner } from '../../src/moe/replan.ts';
import { trafficOf } from '../../src/moe/traffic.ts';
import { cpuMilliseconds } from '../helpers/cpu-time.ts';

/** A cluster, experts placed evenly, loads, and a number of duplicates. */
const situation = fc
  .record({
    nodes: fc.integer({ min: 1, max: 4 }),
    gpusPerNode: fc.integer({ min: 1, max: 4 }),
    perGpu: fc.integer({ min: 1, max: 4 }),
    perNode: fc.integer({ min: 0, max: 8 }),
    spare: fc.integer({ min: 0, max: 2 }),
    seed: fc.integer({ min: 0, max: 1e6 }),
  })
  .chain((shape) => {
    const experts = shape.nodes * shape.gpusPerNode * shape.perGpu;
    const load = fc.oneof(fc.nat(20), fc.nat(5000), fc.constant(0));
    return fc.tuple(fc.constant(shape), fc.array(load, { minLength: experts, maxLength: experts }));
  })
  .map(([shape, loads]) => {
    const cluster = { nodes: shape.nodes, gpus: shape.nodes * shape.gpusPerNode };
    // No more than an expert for every GPU.
    const redundant = shape.nodes * Math.min(shape.perNode, (loads.length * cluster.gpus) / shape.nodes);
    const slotsPerGpu = Math.ceil((loads.length + redundant) / cluster.gpus) + shape.spare;
    return { cluster, loads: [loads], redundant, slotsPerGpu, seed: shape.seed };
  });

const deepseek = { layers: 4, experts: 256, steps: 1, tokens: 65536, topK: 8, skew: 0.9, drift: 0, seed: 3 };
const prefill = { nodes: 4, gpus: 32 };

describe('planRedundancy', () => {
  it('leaves every expert and its duplicates in their node, each GPU with one of a kind, and every expert placed', () => {
    fc.assert(
      fc.property(situation, ({ cluster, loads, redundant, slotsPerGpu }) => {
        const before = uniformPlacement(1, loads[0]!.length, cluster);
        const after = planRedundancy(loads, before, { redundant, slotsPerGpu });
        checkPlacement(after);
        expect(homeNodes(after, 0)).toEqual(homeNodes(before, 0));
        const placed = after.physicalToLogical[0]!.filter((expert) => expert >= 0);
        // As many as were asked for, or as many as can be told apart: one of each expert on each GPU of its node.
        const possible = Math.min(redundant, loads[0]!.length * (cluster.gpus / cluster.nodes - 1));
        expect(placed).toHaveLength(loads[0]!.length + possible);
        expect(hostsOf(after, 0).flat()).toHaveLength(placed.length);
      }),
      { numRuns: 500 },
    );
  });

  it('changes no byte between nodes, whatever the routing', () => {
    fc.assert(
      fc.property(situation, ({ cluster, loads, redundant, slotsPerGpu, seed }) => {
        const before = uniformPlacement(1, loads[0]!.length, cluster);
        const after = planRedundancy(loads, before, { redundant, slotsPerGpu });
        // Not the loads that the plan was made for.
        const other = loads[0]!.map((_, expert) => 1 + ((expert * 37 + seed) % 11));
        const topK = Math.min(3, other.length);
        const routing = drawRouting(other, { tokens: 50, topK, seed });
        const traffic = (placement: Placement) =>
          trafficOf(routing, assignTokens(routing, placement, 0, 'hash').physical, placement.slotsPerGpu, cluster);
        expect(traffic(after).nodeTokens).toEqual(traffic(before).nodeTokens);
        expect(traffic(after).dispatch.ib).toBe(traffic(before).dispatch.ib);
        expect(traffic(after).combine.ib).toBe(traffic(before).combine.ib);
        expect(traffic(after).dispatch.ibBusiestSend).toBe(traffic(before).dispatch.ibBusiestSend);
      }),
      { numRuns: 300 },
    );
  });

  it('loses no load, and comes near the bound that no placement of a node can beat', () => {
    const loads = generateLoads(deepseek)[0]!;
    const before = uniformPlacement(4, 256, prefill);
    const after = planRedundancy(loads, before, { redundant: 32 });
    expect(after.slotsPerGpu).toBe(9);
    loads.forEach((row, layer) => {
      const now = gpuLoads(after, layer, row);
      const total = Array.from(row).reduce((sum, load) => sum + load, 0);
      expect(now.reduce((sum, load) => sum + load, 0)).toBeCloseTo(total, 5);
      expect(Math.max(...now)).toBeLessThan(Math.max(...gpuLoads(before, layer, row)));
      const hosts = hostsOf(after, layer);
      for (let node = 0; node < 4; node++) {
        const own = Array.from(now.slice(node * 8, node * 8 + 8));
        const shares = hosts
          .flatMap((gpus, expert) => gpus.filter((gpu) => gpu >> 3 === node).map(() => row[expert]! / gpus.length))
          .sort((a, b) => a - b);
        // The GPUs are full: the heaviest replica has eight others beside it, the eight lightest at best.
        const beside = shares.slice(0, 8).reduce((sum, share) => sum + share, shares.at(-1)!);
        expect(Math.max(...own) / Math.max(balanceOf(own).mean, beside)).toBeLessThan(1.1);
      }
    });
  });

  it('plans again from its own answer without moving anything', () => {
    const loads = generateLoads(deepseek)[0]!;
    const once = planRedundancy(loads, uniformPlacement(4, 256, prefill), { redundant: 32 });
    const twice = planRedundancy(loads, once, { redundant: 32 });
    expect(twice).toEqual(once);
    expect(movesBetween(once, twice)).toMatchObject({ copies: 0, bytes: 0 });
  });

  it('names GPUs so that fewer experts move than without', () => {
    const loads = generateLoads(deepseek)[0]!;
    const before = uniformPlacement(4, 256, prefill);
    const after = planRedundancy(loads, before, { redundant: 32 });
    const shuffled = {
      ...after,
      physicalToLogical: after.physicalToLogical.map((row) => rotateGpus(row, after.slotsPerGpu)),
    };
    expect(movesBetween(before, after).copies).toBeLessThan(movesBetween(before, shuffled).copies);
    expect(movesBetween(before, after).crossNode).toBe(0);
  });

  it.each([
    [[[Number.NaN, 1, 1, 1]], { redundant: 2 }, /layer 0, expert 0 is NaN/],
    [[[-1, 1, 1, 1]], { redundant: 2 }, /expert 0 is -1/],
    [[[1, 1]], { redundant: 2 }, /2 loads where 4 experts/],
    [[[1, 1, 1, 1]], { redundant: 3 }, /3 redundant experts do not divide by 2 nodes/],
    [[[1, 1, 1, 1]], { redundant: 8, slotsPerGpu: 2 }, /12 replicas, more than the 8 slots of 4 GPUs of 2/],
    [
      [
        [1, 1, 1, 1],
        [1, 1, 1, 1],
      ],
      { redundant: 2 },
      /loads of 2 layers and a placement of 1/,
    ],
    [[[1, 1, 1, 1]], { redundant: -2 }, /redundant experts is -2/],
    [[[1, 1, 1, 1]], { redundant: 18 }, /18 duplicates of 4 experts are more than one of each on each of 4 GPUs/],
  ] as [ExpertLoads, { redundant: number; slotsPerGpu?: number }, RegExp][])(
    'refuses %j %j with the numbers',
    (loads, options, message) => {
      expect(() => planRedundancy(loads, uniformPlacement(1, 4, { nodes: 2, gpus: 4 }), options)).toThrow(message);
    },
  );

  it('refuses placements that lack an expert or spread one over nodes', () => {
    const cluster = { nodes: 2, gpus: 2 };
    const lacking = { cluster, experts: 2, slotsPerGpu: 1, physicalToLogical: [[0, 0]] };
    expect(() => planRedundancy([[1, 1]], lacking, { redundant: 0 })).toThrow(
      /1 of 2 experts of layer 0 are not placed/,
    );
    const spread = { cluster, experts: 2, slotsPerGpu: 2, physicalToLogical: [[0, 1, 1, -1]] };
    expect(() => planRedundancy([[1, 1]], spread, { redundant: 0 })).toThrow(/expert 1 of layer 0 is in 2 nodes: 0, 1/);
    expect(() => uniformPlacement(1, 10, { nodes: 2, gpus: 4 })).toThrow(/10 experts do not divide by 4 gpus/);
  });

  it('plans 61 layers of 256 experts on 320 GPUs in under a second', () => {
    const loads = generateLoads({ ...deepseek, layers: 61 })[0]!;
    const cluster = { nodes: 40, gpus: 320 };
    const homes = Array.from({ length: 320 }, (_, gpu) => (gpu % 5 === 4 ? -1 : gpu - Math.floor(gpu / 5)));
    const before = { cluster, experts: 256, slotsPerGpu: 1, physicalToLogical: loads.map(() => homes) };
    for (const slotsPerGpu of [1, 2]) {
      const redundant = slotsPerGpu === 1 ? 40 : 320;
      expect(cpuMilliseconds(2, () => void planRedundancy(loads, before, { redundant, slotsPerGpu }))).toBeLessThan(
        1000,
      );
    }
  });
});

const rotateGpus = (row: readonly number[], slots: number): number[] =>
  Array.from({ length: row.length / (8 * slots) }, (_, node) => {
    const own = row.slice(node * 8 * slots, (node + 1) * 8 * slots);
    return [...own.slice(slots), ...own.slice(0, slots)];
  }).flat();

describe('movesBetween', () => {
  it('counts experts that a GPU did not hold, and those that no GPU of its node held', () => {
    const cluster = { nodes: 2, gpus: 4 };
    const at = (physicalToLogical: number[][]): Placement => ({
      cluster,
      experts: 4,
      slotsPerGpu: 2,
      physicalToLogical,
    });
    const before = at([[0, -1, 1, -1, 2, -1, 3, -1]]);
    const after = at([[0, 1, 1, 2, 2, -1, 3, -1]]);
    expect(movesBetween(before, after, 10)).toEqual({ copies: 2, crossNode: 1, bytes: 20, perLayer: [2] });
  });

  it('takes the bytes of an expert from the shapes of DeepSeek-V3', () => {
    expect(deepseekV3ExpertBytes).toBe(44_050_944);
  });
});

describe('createReplanner', () => {
  const recipe = { ...deepseek, layers: 2, steps: 24, drift: 0.15 };
  const series = generateLoads(recipe);
  const start = uniformPlacement(2, 256, prefill);
  const worst = (placement: Placement, loads: ExpertLoads) =>
    balanceOf(balanceOfPlacement(placement, loads).map(({ ratio }) => ratio)).mean;

  it('plans when it is time, from the steps in its window and none other', () => {
    const replanner = createReplanner(start, { redundant: 32, window: 3, every: 4 });
    const plans = series.slice(0, 8).map((loads) => replanner.observe(loads));
    expect(plans.map((plan) => plan?.step)).toEqual([
      undefined,
      undefined,
      undefined,
      4,
      undefined,
      undefined,
      undefined,
      8,
    ]);
    const sum = [0, 1].map((layer) =>
      Array.from({ length: 256 }, (_, e) => [5, 6, 7].reduce((total, step) => total + series[step]![layer]![e]!, 0)),
    );
    const earlier = [0, 1].map((layer) =>
      Array.from({ length: 256 }, (_, e) => [1, 2, 3].reduce((total, step) => total + series[step]![layer]![e]!, 0)),
    );
    const first = planRedundancy(earlier, start, { redundant: 32 });
    const byHand = planRedundancy(sum, first, { redundant: 32 });
    expect(replanner.placement).toEqual(byHand);
    expect(plans[7]!.moves).toEqual(movesBetween(first, byHand));
    expect(plans[7]!.after).toBeCloseTo(worst(byHand, sum), 12);
  });

  it('keeps up with drifting loads where a plan made once falls behind', () => {
    const replanner = createReplanner(start, { redundant: 32, window: 2, every: 2 });
    let [moving, fixed] = [0, 0];
    let once: Placement | undefined;
    series.forEach((loads, step) => {
      if (step >= 8) {
        moving += worst(replanner.placement, loads);
        fixed += worst(once!, loads);
      }
      replanner.observe(loads);
      if (step === 1) once = replanner.placement;
    });
    expect(moving).toBeLessThan(fixed);
  });

  it('takes no plan that gains less than asked for', () => {
    const replanner = createReplanner(start, { redundant: 32, window: 1, every: 1, minGain: 0.99 });
    expect(replanner.observe(series[0]!)).toMatchObject({ taken: false, moves: { copies: 0 } });
    expect(replanner.placement).toBe(start);
  });

  it.each([
    [{ window: 0, every: 1 }, /window is 0/],
    [{ window: 1, every: 1.5 }, /every is 1.5/],
  ])('refuses %j', (options, message) => {
    expect(() => createReplanner(start, { redundant: 32, ...options })).toThrow(message);
  });

  it('refuses a step with another number of layers', () => {
    const replanner = createReplanner(start, { redundant: 32, window: 1, every: 1 });
    expect(() => replanner.observe([series[0]![0]!])).toThrow(/1 layers where the placement has 2/);
  });
});
