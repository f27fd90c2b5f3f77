import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rebalanceExperts } from '../../src/moe/rebalance.ts';
import { cpuMilliseconds } from '../helpers/cpu-time.ts';

/** The worked example in the README of deepseek-ai/EPLB: two layers of 12 experts, 16 replicas, 4 groups, 2 nodes, 8 GPUs. */
const example = [
  [90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86],
  [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27],
];

describe('rebalanceExperts', () => {
  it('gives the published example of the hierarchical policy', () => {
    const plan = rebalanceExperts(example, { replicas: 16, groups: 4, nodes: 2, gpus: 8 });
    expect(plan.physicalToLogical).toEqual([
      [5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1],
      [7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1],
    ]);
    expect(plan.replicaCount).toEqual([
      [1, 2, 1, 1, 2, 2, 1, 1, 1, 1, 2, 1],
      [1, 2, 1, 1, 1, 2, 2, 1, 2, 1, 1, 1],
    ]);
    // Replicas of one expert are alike, so their order is free; the places are not.
    expect(plan.logicalToPhysical[0]!.slice(0, 6).map((row) => [...row].sort((x, y) => y - x))).toEqual([
      [12, -1],
      [15, 13],
      [11, -1],
      [6, -1],
      [7, 5],
      [2, 0],
    ]);
  });

  it('falls back to the global policy where groups do not divide by nodes', () => {
    const plan = rebalanceExperts(example, { replicas: 16, groups: 3, nodes: 2, gpus: 8 });
    expect(plan.physicalToLogical).toEqual([
      [10, 6, 10, 7, 0, 2, 11, 4, 5, 9, 5, 4, 8, 3, 1, 1],
      [1, 10, 2, 4, 5, 11, 5, 0, 6, 7, 6, 3, 8, 8, 9, 7],
    ]);
  });

  it('takes ties in the order of the index', () => {
    const plan = rebalanceExperts([[5, 5, 5, 5]], { replicas: 6, groups: 1, nodes: 1, gpus: 2 });
    // Experts 0 and 1 get the duplicates; 2 and 3 are whole and heaviest, one on each GPU; halves follow in order.
    expect(plan.physicalToLogical).toEqual([[2, 0, 0, 3, 1, 1]]);
  });

  it('keeps every promise of its shape, whatever the loads', () => {
    const shapes = fc
      .record({
        nodes: fc.integer({ min: 1, max: 4 }),
        gpusPerNode: fc.integer({ min: 1, max: 4 }),
        groupsPerNode: fc.integer({ min: 1, max: 3 }),
        groupSize: fc.integer({ min: 1, max: 4 }),
        extra: fc.integer({ min: 0, max: 3 }),
        uneven: fc.boolean(),
      })
      .chain((shape) =>
        fc.tuple(
          fc.constant(shape),
          // Quotients are f32: below its normal range they have no six digits to hold the optimum to.
          fc.array(fc.oneof(fc.constant(0), fc.float({ min: 2 ** -100, max: 1e6, noNaN: true })), {
            minLength: shape.nodes * shape.groupsPerNode * shape.groupSize,
            maxLength: shape.nodes * shape.groupsPerNode * shape.groupSize,
          }),
        ),
      );
    fc.assert(
      fc.property(shapes, ([shape, loads]) => {
        const { nodes, gpusPerNode, groupsPerNode, extra, uneven } = shape;
        const gpus = nodes * gpusPerNode;
        const groups = uneven ? 1 : nodes * groupsPerNode;
        const replicas = (Math.ceil(loads.length / gpus) + extra) * gpus;
        const plan = rebalanceExperts([loads], { replicas, groups, nodes, gpus });
        const row = plan.physicalToLogical[0]!;
        expect(row).toHaveLength(replicas);
        plan.replicaCount[0]!.forEach((count, expert) => {
          expect(count).toBeGreaterThan(0);
          expect(row.filter((logical) => logical === expert)).toHaveLength(count);
          const physicals = plan.logicalToPhysical[0]![expert]!;
          expect(physicals.filter((physical) => physical >= 0)).toHaveLength(count);
          for (const physical of physicals.slice(0, count)) expect(row[physical]).toBe(expert);
        });
        if (groups % nodes === 0) {
          // A group, and so an expert, keeps to one node.
          const nodeOfGroup = new Map<number, number>();
          row.forEach((expert, physical) => {
            const group = Math.floor(expert / (loads.length / groups));
            const node = Math.floor((physical * nodes) / replicas);
            expect(nodeOfGroup.get(group) ?? node).toBe(node);
            nodeOfGroup.set(group, node);
          });
        }
        // No other choice of as many duplicates, under the global policy, has a lighter heaviest replica.
        if (nodes === 1)
          expect(heaviest(loads, plan.replicaCount[0]!)).toBeLessThanOrEqual(
            bestHeaviest(loads, replicas) * (1 + 1e-6),
          );
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    [[[1, Number.NaN]], { replicas: 2, groups: 1, nodes: 1, gpus: 1 }, /layer 0, expert 1 is NaN/],
    [[[1, -3]], { replicas: 2, groups: 1, nodes: 1, gpus: 1 }, /layer 0, expert 1 is -3/],
    [[[1, Number.POSITIVE_INFINITY]], { replicas: 2, groups: 1, nodes: 1, gpus: 1 }, /expert 1 is Infinity/],
    [[[1, 2], [1]], { replicas: 2, groups: 1, nodes: 1, gpus: 1 }, /layer 1 has 1 loads where 2/],
    [[], { replicas: 2, groups: 1, nodes: 1, gpus: 1 }, /no loads/],
    [[[1, 2, 3]], { replicas: 4, groups: 2, nodes: 1, gpus: 1 }, /3 experts do not divide by 2 groups/],
    [[[1, 2]], { replicas: 4, groups: 2, nodes: 2, gpus: 3 }, /3 gpus do not divide by 2 nodes/],
    [[[1, 2]], { replicas: 3, groups: 2, nodes: 2, gpus: 2 }, /3 replicas do not divide by 2 gpus/],
    [[[1, 2]], { replicas: 1, groups: 1, nodes: 1, gpus: 1 }, /1 replicas do not hold 2 experts/],
    [[[1, 2]], { replicas: 8, groups: 1, nodes: 1, gpus: 2, slotsPerGpu: 3 }, /8 replicas are more than the 6 slots/],
    [[[1, 2]], { replicas: 2, groups: 1, nodes: 1, gpus: 0 }, /gpus is 0/],
    [[[1, 2]], { replicas: 2.5, groups: 1, nodes: 1, gpus: 1 }, /replicas is 2.5/],
  ])('refuses %j with the numbers', (loads, options, message) => {
    expect(() => rebalanceExperts(loads, options)).toThrow(message);
  });

  it('plans 61 layers of 256 experts on 320 GPUs in under a second', () => {
    const loads = Array.from({ length: 61 }, (_, layer) =>
      Array.from({ length: 256 }, (_, e) => 1 + ((e * 7919 + layer * 104729) % 997)),
    );
    for (const replicas of [320, 640]) {
      const work = (): void => void rebalanceExperts(loads, { replicas, groups: 8, nodes: 40, gpus: 320 });
      expect(cpuMilliseconds(2, work)).toBeLessThan(1000);
    }
  });
});

const heaviest = (loads: readonly number[], counts: readonly number[]): number =>
  Math.max(...loads.map((load, expert) => load / counts[expert]!));

/** The least heaviest replica by bisection over thresholds: t is possible where the experts need no more than `total` replicas. */
function bestHeaviest(loads: readonly number[], total: number): number {
  const candidates = loads.flatMap((load) => Array.from({ length: total }, (_, at) => load / (at + 1)));
  const possible = candidates.filter(
    (limit) =>
      loads.reduce((sum, load) => sum + (load === 0 ? 1 : Math.ceil((load / limit) * (1 - 1e-12))), 0) <= total,
  );
  return possible.length === 0 ? 0 : Math.min(...possible);
}
