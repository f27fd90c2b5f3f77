import { describe, expect, it } from 'vitest';
import { attention, attentionBackward } from '../../../src/studies/training/attention.ts';
import { type GateShape, route, routeBackward } from '../../../src/studies/training/gate.ts';
import { crossEntropy } from '../../../src/studies/training/loss.ts';
import type { Floats, Matrix } from '../../../src/studies/training/matrix.ts';
import { buildWeights, evaluate, lossAndGradients, type ModelShape } from '../../../src/studies/training/model.ts';
import { type MoeWeights, moe, moeBackward } from '../../../src/studies/training/moe.ts';
import { rmsNorm, rmsNormBackward } from '../../../src/studies/training/norm.ts';
import { type Parameter, plainPrecision } from '../../../src/studies/training/precision.ts';
import { swiglu, swigluBackward } from '../../../src/studies/training/swiglu.ts';

/** Even draws in -1..1 from a linear congruential generator: nothing of the product's own. */
function draws(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

function random(rows: number, columns: number, seed: number): Matrix {
  return { rows, columns, values: Float64Array.from({ length: rows * columns }, draws(seed)) };
}

function parameter(rows: number, columns: number, seed: number): Parameter {
  const { values } = random(rows, columns, seed);
  return { name: `p${seed}`, rows, columns, values, gradient: new Float64Array(values.length), decays: true };
}

const dot = (a: Floats, b: Floats): number => Array.from(a).reduce((sum, value, i) => sum + value * b[i]!, 0);

/** Slope of `loss` in every `step`-th element of `values`, by central differences, against `gradient`. */
async function holdAgainstDifferences(
  values: Floats,
  gradient: Floats,
  loss: () => number | Promise<number>,
  step = 1,
): Promise<void> {
  const epsilon = 1e-5;
  const scale = Math.max(...gradient.map(Math.abs));
  expect(scale).toBeGreaterThan(0);
  for (let i = 0; i < values.length; i += step) {
    const value = values[i]!;
    values[i] = value + epsilon;
    const above = await loss();
    values[i] = value - epsilon;
    const below = await loss();
    values[i] = value;
    const slope = (above - below) / (2 * epsilon);
    expect(Math.abs(slope - gradient[i]!), `element ${i}`).toBeLessThan(1e-7 * (1 + scale));
  }
}

const f64 = plainPrecision('f64');

describe('gradients are those of finite differences in f64', () => {
  it('RMSNorm: input and gain', async () => {
    const [x, gain, dy] = [random(3, 8, 1), random(1, 8, 2).values, random(3, 8, 3)];
    const dGain = new Float64Array(8);
    const dx = rmsNormBackward(x, gain, dy, dGain);
    const loss = () => dot(rmsNorm(x, gain).values, dy.values);
    await holdAgainstDifferences(x.values, dx.values, loss);
    await holdAgainstDifferences(gain, dGain, loss);
  });

  it('SwiGLU', async () => {
    const [h, dy] = [random(3, 10, 4), random(3, 5, 5)];
    await holdAgainstDifferences(h.values, swigluBackward(h, dy).values, () => dot(swiglu(h).values, dy.values));
  });

  it('cross-entropy', async () => {
    const logits = random(4, 7, 6);
    const expected = Uint8Array.of(0, 6, 3, 3);
    const { gradient } = crossEntropy(logits, expected);
    await holdAgainstDifferences(logits.values, gradient.values, () => crossEntropy(logits, expected).loss);
  });

  it('attention with rotary positions, two sequences and two heads', async () => {
    const shape = { sequences: 2, heads: 2 };
    const [qkv, dy] = [random(10, 24, 7), random(10, 8, 8)];
    const { output, kept } = attention(qkv, shape, f64);
    const dQkv = attentionBackward(kept, output, dy, shape, f64);
    const loss = () => dot(attention(qkv, shape, f64).output.values, dy.values);
    await holdAgainstDifferences(qkv.values, dQkv.values, loss);
  });

  const gate: GateShape = { experts: 8, groups: 4, topkGroups: 2, topk: 3, routeScale: 2.5 };

  it('gate: weights of the chosen experts', async () => {
    const [logits, bias, dWeights] = [random(5, 8, 9), random(1, 8, 10).values, random(1, 15, 11).values];
    const dLogits = routeBackward(route(logits, bias, gate), dWeights, gate);
    await holdAgainstDifferences(logits.values, dLogits.values, () => dot(route(logits, bias, gate).weights, dWeights));
  });

  it('experts: input, gate, shared and routed weights', async () => {
    let seed = 20;
    const expert = () => ({ up: parameter(6, 4, seed++), down: parameter(4, 3, seed++) });
    const weights: MoeWeights = {
      gate: parameter(8, 4, seed++),
      bias: random(1, 8, seed++).values.map((value) => 0.1 * value),
      shared: expert(),
      routed: Array.from({ length: 8 }, expert),
    };
    const [x, dy] = [random(6, 4, seed++), random(6, 4, seed++)];
    const { kept } = await moe(x, weights, gate, f64);
    const dx = await moeBackward(dy, kept, weights, gate, f64);
    const loss = async () => dot((await moe(x, weights, gate, f64)).y.values, dy.values);
    await holdAgainstDifferences(x.values, dx.values, loss);
    await holdAgainstDifferences(weights.gate.values, weights.gate.gradient, loss);
    const used = weights.routed.filter((_, index) => kept.outputs[index] !== undefined);
    expect(used.length).toBeGreaterThan(3);
    for (const { up, down } of [weights.shared, ...used]) {
      await holdAgainstDifferences(up.values, up.gradient, loss);
      await holdAgainstDifferences(down.values, down.gradient, loss);
    }
  });

  it('the whole model: every parameter', async () => {
    const shape: ModelShape = { vocabulary: 5, hidden: 8, layers: 2, heads: 2, expertWidth: 3, gate };
    let seed = 100;
    const weights = buildWeights(shape, (_, rows, columns) => random(rows, columns, seed++).values);
    const next = draws(3);
    const tokens = () => Uint8Array.from({ length: 12 }, () => Math.floor((next() + 1) * 2.5));
    const batch = { sequences: 2, inputs: tokens(), expected: tokens() };
    const { loss } = await lossAndGradients(weights, shape, batch, f64);
    expect(loss).toBeCloseTo(await evaluate(weights, shape, batch, f64), 12);
    for (const { name, values, gradient } of weights.parameters) {
      if (gradient.every((slope) => slope === 0)) {
        expect(name, 'only an expert without tokens has no gradient').toMatch(/experts/);
        continue;
      }
      await holdAgainstDifferences(values, gradient, () => evaluate(weights, shape, batch, f64), 7);
    }
  });
});
