import { describe, expect, it } from 'vitest';
import { rebalanceExperts } from '../../src/moe/rebalance.ts';
import {
  flowsOf,
  logitsOf,
  nextBias,
  placements,
  routeBatch,
  routingView,
} from '../../src/playground/pages/routing/model.ts';
import { biasTensor, cluster, gateSpec, layer } from '../../src/playground/pages/routing/view.ts';
import { resolveSpec } from '../../src/specs/resolve.ts';

const settings = { skew: 8, temperature: 10, seed: 1, speed: 10 };
const flat = new Float32Array(layer.experts);
const total = layer.tokens * layer.topk;
const sum = (values: ArrayLike<number>) => Array.from(values).reduce((all, value) => all + value, 0);

describe('the gate of the page', () => {
  it('is a spec that fp8lab takes as it is', () => {
    expect(resolveSpec(JSON.parse(JSON.stringify(gateSpec)))).toEqual(gateSpec);
    expect(biasTensor(flat).codes).toHaveLength(layer.experts);
  });

  it('gives every token eight experts in at most four groups', () => {
    const { routing, load } = routeBatch(logitsOf(settings, 0), flat);
    expect(sum(load)).toBe(total);
    for (let token = 0; token < layer.tokens; token++) {
      const chosen = routing.topkIdx.slice(token * layer.topk, (token + 1) * layer.topk);
      expect(new Set(chosen).size).toBe(layer.topk);
      expect(new Set(chosen.map((expert) => Math.floor(expert / 8))).size).toBeLessThanOrEqual(layer.topkGroups);
    }
  });

  it('spreads tokens less evenly where popularity is less even', () => {
    const imbalance = (skew: number) => routeBatch(logitsOf({ ...settings, skew }, 0), flat).imbalance;
    expect(imbalance(20)).toBeGreaterThan(imbalance(8));
    expect(imbalance(8)).toBeGreaterThan(imbalance(0));
  });

  it('is balanced by its bias, batch by batch', () => {
    const told: number[] = [];
    const { course } = routingView({ settings, batch: 60, redundant: 0 }, (batch) => told.push(batch));
    expect(told).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
    expect(course.history).toHaveLength(61);
    expect(course.history[0]).toBeGreaterThan(2);
    expect(course.history.at(-1)).toBeLessThan(0.7 * course.history[0]!);
    const bias = nextBias(flat, routeBatch(logitsOf(settings, 0), flat).load, 0.01);
    expect(course.history[1]).toBe(routeBatch(logitsOf(settings, 1), bias).imbalance);
  });

  it('goes on from where it has come to as it would from the first batch', () => {
    const there = routingView({ settings, batch: 7, redundant: 1 });
    const half = routingView({ settings, batch: 4, redundant: 1 }).course;
    expect(routingView({ settings, batch: 7, redundant: 1, from: half })).toEqual(there);
    // A batch that lies behind is come to anew.
    expect(routingView({ settings, batch: 4, redundant: 1, from: there.course }).course).toEqual(half);
  });
});

describe('placements', () => {
  const gated = routeBatch(logitsOf(settings, 0), flat);

  it('are those of the load balancer, and even the GPUs out', () => {
    const { before, after } = placements(gated, 2);
    const options = { replicas: layer.experts + 2 * cluster.gpus, groups: layer.groups, ...cluster };
    expect(after.placement.physicalToLogical).toEqual(rebalanceExperts([gated.load], options).physicalToLogical);
    expect(after.imbalance).toBeLessThan(before.imbalance);
    expect(sum(after.copies)).toBe(options.replicas);
    for (const { gpuLoads } of [before, after]) expect(sum(gpuLoads)).toBeCloseTo(total, 6);
  });

  it('carry every choice from its source to a GPU', () => {
    const { after } = placements(gated, 1);
    const { sourceToGroup, expertToGpu } = flowsOf(gated, after);
    expect(sum(sourceToGroup.map(sum))).toBe(total);
    expect(sum(expertToGpu.map(sum))).toBeCloseTo(total, 6);
    expertToGpu.forEach((row, expert) => {
      expect(sum(row)).toBeCloseTo(gated.load[expert]!, 6);
    });
  });
});
