import { describe, expect, it } from 'vitest';
import { balance, type GateShape, loads, route } from '../../../src/studies/training/gate.ts';

const shape: GateShape = { experts: 8, groups: 4, topkGroups: 2, topk: 3, routeScale: 2.5 };
const logits = (...rows: number[][]) => ({ rows: rows.length, columns: 8, values: Float64Array.from(rows.flat()) });
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const noBias = new Float64Array(8);

describe('the gate', () => {
  it('takes the best experts of the groups whose two best sum highest', () => {
    // Group sums of scores: (3, 3) beats (4, -9); expert 2 with the highest score of all stays out.
    const { experts } = route(logits([3, 3, 4, -9, 1, 2, -1, -2]), noBias, shape);
    expect(Array.from(experts)).toEqual([0, 1, 5]);
  });

  it('gives ties to the lower group and the lower expert', () => {
    expect(Array.from(route(logits(new Array(8).fill(1)), noBias, shape).experts)).toEqual([0, 1, 2]);
  });

  it('lets the bias choose and not weigh', () => {
    const row = [0, 0, 0, 0, 0, 0, -3, -3];
    const bias = Float64Array.of(0, 0, 0, 0, 0, 0, 5, 5);
    const { experts, weights } = route(logits(row), bias, shape);
    expect(Array.from(experts)).toEqual([6, 7, 0]);
    const scores = [-3, -3, 0].map(sigmoid);
    const sum = scores.reduce((total, score) => total + score, 0);
    scores.forEach((score, slot) => {
      expect(weights[slot]).toBeCloseTo((2.5 * score) / sum, 12);
    });
  });

  it('moves the bias against the load, and not where the load is even', () => {
    const bias = new Float64Array(4);
    balance(bias, [6, 1, 4, 5], 0.25);
    expect(Array.from(bias)).toEqual([-0.25, 0.25, 0, -0.25]);
  });

  it('counts each slot once', () => {
    const routing = route(logits([3, 3, 4, -9, 1, 2, -1, -2], new Array(8).fill(1)), noBias, shape);
    expect(loads(routing, 8)).toEqual([2, 2, 1, 0, 0, 1, 0, 0]);
  });

  it('spreads tokens that all prefer the same experts, in as many steps as the scores are apart', () => {
    const rows = Array.from({ length: 64 }, (_, i) =>
      Array.from({ length: 8 }, (_, e) => 1 - e / 4 + Math.sin(i * (e + 1)) / 8),
    );
    const bias = new Float64Array(8);
    const imbalance = () => Math.max(...loads(route(logits(...rows), bias, shape), 8)) / 24;
    expect(imbalance()).toBeGreaterThan(2.5);
    for (let step = 0; step < 400; step++) balance(bias, loads(route(logits(...rows), bias, shape), 8), 0.003);
    expect(imbalance()).toBeLessThan(1.5);
  });
});
