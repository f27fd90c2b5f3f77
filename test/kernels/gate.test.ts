import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gateViolations } from '../../src/kernels/gate/oracle.ts';
import { kernelOf } from '../../src/kernels/index.ts';
import { materializeInputs } from '../../src/kernels/inputs.ts';
import { gatePresets } from '../../src/specs/gate-presets.ts';
import type { GateSpec } from '../../src/specs/types.ts';
import type { Tensors } from '../../src/tensors/tensor.ts';
import { f32Tensor, gateSpec, i32Tensor, integersOf, numbersOf } from '../helpers/gate.ts';

const run = (spec: GateSpec, inputs: Tensors): Tensors => kernelOf(spec).reference(spec, inputs);
const generated = (spec: GateSpec): Tensors => materializeInputs(kernelOf(spec).inputs(spec));

/** One token of `logits`, with a bias where there is one. */
function route(gate: unknown, logits: readonly number[], bias?: readonly number[]) {
  const experts = logits.length;
  const spec = gateSpec(1, experts, gate, bias && { bias: { input: { generate: 'zero', dtype: 'f32' } } });
  const inputs = {
    logits: f32Tensor(logits, [1, experts]),
    ...(bias && { bias: f32Tensor(bias, [experts]) }),
  };
  const results = run(spec, inputs);
  return {
    experts: integersOf(results, 'topk_idx'),
    weights: numbersOf(results, 'topk_weights'),
    gap: numbersOf(results, 'near_ties')[0]!,
  };
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** Scores by the textbook, in doubles. */
const scoresInDoubles = {
  sigmoid: (logits: readonly number[]) => logits.map(sigmoid),
  'sqrt-softplus': (logits: readonly number[]) => logits.map((x) => Math.sqrt(Math.log1p(Math.exp(x)))),
  softmax: (logits: readonly number[]) => {
    const exps = logits.map((x) => Math.exp(x - Math.max(...logits)));
    return exps.map((x) => x / sum(exps));
  },
  logit: (logits: readonly number[]) => [...logits],
};

describe('the choice of experts', () => {
  it('ranks by score plus bias, and weighs by the score alone', () => {
    const logits = [2, 1, 0, -1];
    const unbiased = route({ topk: 2 }, logits);
    const biased = route({ topk: 2 }, logits, [0, 0, 0, 3]);
    expect(unbiased.experts).toEqual([0, 1]);
    expect(biased.experts).toEqual([3, 0]);
    const total = sigmoid(-1) + sigmoid(2);
    expect(biased.weights[0]).toBeCloseTo(sigmoid(-1) / total, 6);
    expect(biased.weights[1]).toBeCloseTo(sigmoid(2) / total, 6);
  });

  it('leaves groups that are not kept out, also where every value is negative', () => {
    // Every ranked value is below zero: a group masked with 0 would win.
    const bias = [-5, -5, -5, -5, -6, -6, -6, -6];
    const { experts } = route({ topk: 2, groups: 2, topkGroups: 1 }, [0, 1, 2, 3, 3, 3, 3, 3], bias);
    expect(experts).toEqual([3, 2]);
  });

  it('scores groups by the sum of their two largest, or by the largest', () => {
    const logits = [3, -9, -9, -9, 1.5, 1.5, -9, -9];
    const gate = { topk: 1, groups: 2, topkGroups: 1 };
    expect(route(gate, logits).experts).toEqual([4]);
    expect(route({ ...gate, groupScore: 'max' }, logits).experts).toEqual([0]);
  });

  it('gives ties to the lower index, experts and groups alike', () => {
    expect(route({ topk: 3 }, [1, 2, 2, 2, 1]).experts).toEqual([1, 2, 3]);
    expect(route({ topk: 2 }, [0, -0, 0, -0]).experts).toEqual([0, 1]);
    expect(route({ topk: 2, groups: 3, topkGroups: 1 }, [1, 1, 1, 1, 1, 1]).experts).toEqual([0, 1]);
  });

  it('takes every expert where topk is their number, and then no gap is left', () => {
    const { experts, gap } = route({ topk: 4 }, [1, 4, 2, 3]);
    expect(experts).toEqual([1, 3, 2, 0]);
    expect(gap).toBe(Number.POSITIVE_INFINITY);
  });

  it('reports the gap between the last chosen and the first left out', () => {
    const { gap } = route({ topk: 2 }, [0, 1, 2, 3]);
    expect(gap).toBe(Math.fround(Math.fround(sigmoid(2)) - Math.fround(sigmoid(1))));
    expect(route({ topk: 1 }, [5, 5, 1]).gap).toBe(0);
  });
});

describe('weights', () => {
  it('of DeepSeek-V3 sum to the route scale', () => {
    const spec = gateSpec(50, 256, 'deepseek-v3');
    const weights = numbersOf(run(spec, generated(spec)), 'topk_weights');
    for (let token = 0; token < 50; token++) expect(sum(weights.slice(8 * token, 8 * token + 8))).toBeCloseTo(2.5, 5);
  });

  it('of gpt-oss are a softmax over the chosen logits', () => {
    const { experts, weights } = route('gpt-oss', [0, 3, 1, 2, -4, 2.5]);
    expect(experts).toEqual([1, 5, 3, 2]);
    const want = scoresInDoubles.softmax([3, 2.5, 2, 1]);
    for (const [i, weight] of weights.entries()) expect(weight).toBeCloseTo(want[i]!, 6);
  });

  it('are zero, not NaN, where all scores are', () => {
    expect(route({ topk: 2 }, [-500, -400, -300]).weights).toEqual([0, 0]);
  });

  it('of shared experts are 1, in slots behind the chosen', () => {
    const { experts, weights } = route({ topk: 1, sharedExperts: 2 }, [0, 1, 2]);
    expect(experts).toEqual([2, 3, 4]);
    expect(weights).toEqual([1, 1, 1]);
  });
});

describe('tokens that go nowhere', () => {
  it('masked tokens have -1 and weight 0 in every slot, and count for no expert', () => {
    const spec = gateSpec(3, 4, { topk: 2, sharedExperts: 1 }, { mask: 'mask' });
    const inputs = { ...generated(spec), mask: i32Tensor([0, 1, 0], [3]) };
    const results = run(spec, inputs);
    expect(integersOf(results, 'topk_idx').filter((_, i) => i < 3 || i > 5)).toEqual(Array(6).fill(-1));
    expect(numbersOf(results, 'topk_weights').filter((_, i) => i < 3 || i > 5)).toEqual(Array(6).fill(0));
    expect(sum(integersOf(results, 'load'))).toBe(2);
    expect(numbersOf(results, 'near_ties').map(Number.isFinite)).toEqual([false, true, false]);
  });

  it('all tokens masked leave every expert empty', () => {
    const spec = gateSpec(5, 4, { topk: 2 }, { mask: { generate: 'mask', share: 1 } });
    const results = run(spec, generated(spec));
    expect(new Set(integersOf(results, 'topk_idx'))).toEqual(new Set([-1]));
    expect(integersOf(results, 'load')).toEqual([0, 0, 0, 0]);
  });

  it('a NaN logit refuses its token alone, and the gap of NaN reports it', () => {
    for (const gate of [
      { topk: 2 },
      'mixtral',
      { preset: 'gpt-oss', topk: 2 },
      { topk: 1, groups: 2, topkGroups: 1 },
    ]) {
      const spec = gateSpec(2, 4, gate);
      const logits = f32Tensor([1, 2, 3, 4, 1, Number.NaN, 3, 4], [2, 4]);
      const results = run(spec, { logits });
      const { topk } = spec.gate;
      expect(integersOf(results, 'topk_idx').slice(topk)).toEqual(Array(topk).fill(-1));
      expect(integersOf(results, 'topk_idx')[0]).toBe(3);
      expect(numbersOf(results, 'near_ties').map(Number.isNaN)).toEqual([false, true]);
    }
  });

  it('an expert may be left empty, and one may get all', () => {
    const spec = gateSpec(40, 4, { topk: 1 }, { bias: { input: { generate: 'zero', dtype: 'f32' } } });
    const results = run(spec, { ...generated(spec), bias: f32Tensor([0, 0, 9, 0], [4]) });
    expect(integersOf(results, 'load')).toEqual([0, 0, 40, 0]);
  });
});

describe('replay', () => {
  it('of the gate’s own choice gives its weights again', () => {
    for (const preset of Object.keys(gatePresets)) {
      const first = gateSpec(20, 32, { preset });
      const inputs = generated(first);
      const chosen = run(first, inputs);
      const again = gateSpec(20, 32, { preset }, { indices: 'routing' });
      const replayed = run(again, { logits: inputs.logits!, indices: chosen.topk_idx! });
      expect(replayed.topk_idx).toEqual(chosen.topk_idx);
      expect(replayed.topk_weights).toEqual(chosen.topk_weights);
      expect(replayed.load).toEqual(chosen.load);
    }
  });

  it('refuses an expert that there is not, and says where', () => {
    const spec = gateSpec(2, 4, { topk: 2 }, { indices: 'routing' });
    const inputs = { ...generated(spec), indices: i32Tensor([0, 1, 2, 4], [2, 2]) };
    expect(() => run(spec, inputs)).toThrow('indices[1, 1] is 4, and there are 4 experts');
  });
});

describe('what the gate cannot be', () => {
  const refused: [object, string][] = [
    [{ groups: 3, topk: 1 }, 'is 3, and does not divide 16 experts'],
    [{ topk: 17 }, 'is 17, and 1 of 1 groups of 16 experts leave 16'],
    [{ topk: 5, groups: 8, topkGroups: 2 }, 'is 5, and 2 of 8 groups of 2 experts leave 4'],
    [{ topk: 1, groups: 4, topkGroups: 5 }, 'is 5, and there are 4 groups'],
    [{ topk: 1, groups: 16, topkGroups: 2 }, 'is top2-sum, and a group has 1 expert'],
    [{ topk: 1, normalize: 'softmax' }, 'takes the chosen logits, and the score is sigmoid'],
    [{ topk: 1, score: 'logit' }, 'is sum, and logits of both signs may cancel'],
  ];
  it.each(refused)('%o is refused with its numbers', (gate, message) => {
    expect(() => gateSpec(4, 16, gate)).toThrow(message);
  });
});

/** A gate, 16 to 48 experts, and logits with many ties. */
const anyGate = fc
  .record({
    score: fc.constantFrom('sigmoid', 'sqrt-softplus', 'softmax', 'logit'),
    groups: fc.constantFrom(1, 2, 4, 8),
    size: fc.integer({ min: 2, max: 6 }),
    topkGroups: fc.integer({ min: 1, max: 8 }),
    topk: fc.integer({ min: 1, max: 12 }),
    groupScore: fc.constantFrom('top2-sum', 'max'),
    ties: fc.boolean(),
    biased: fc.boolean(),
    seed: fc.integer({ min: 0, max: 0xffffffff }),
  })
  .map(({ size, ties, seed, biased, ...gate }) => {
    const experts = gate.groups * size;
    const topkGroups = Math.min(gate.topkGroups, gate.groups);
    const rule = {
      ...gate,
      topkGroups,
      topk: Math.min(gate.topk, topkGroups * size),
      normalize: gate.score === 'logit' ? 'softmax' : 'sum',
    };
    const logits = { input: { generate: ties ? 'near-ties' : 'normal', dtype: 'f32', seed } };
    const bias = { input: { generate: 'near-ties', dtype: 'f32', seed: (seed ^ 1) >>> 0, exponent: -2 } };
    return gateSpec(6, experts, rule, { logits, ...(biased && { bias }) });
  });

describe('whatever the gate', () => {
  it('experts are distinct, and none that was left out ranks above one that was chosen', () => {
    fc.assert(
      fc.property(anyGate, (spec) => {
        const { gate, shape } = spec;
        const inputs = generated(spec);
        const results = run(spec, inputs);
        const size = shape.experts / gate.groups;
        for (let token = 0; token < shape.tokens; token++) {
          const logits = numbersOf(inputs, 'logits').slice(token * shape.experts, (token + 1) * shape.experts);
          const bias = spec.bias ? numbersOf(inputs, 'bias') : logits.map(() => 0);
          const ranked = scoresInDoubles[gate.score](logits).map((score, i) => score + bias[i]!);
          const chosen = integersOf(results, 'topk_idx').slice(token * gate.topk, (token + 1) * gate.topk);
          expect(new Set(chosen).size).toBe(gate.topk);
          expect(new Set(chosen.map((expert) => Math.floor(expert / size))).size).toBeLessThanOrEqual(gate.topkGroups);
          // Groups by their best values, and experts inside the kept: each as good as the best that could be had, to within f32.
          const groupScores = Array.from({ length: gate.groups }, (_, group) => {
            const members = ranked.slice(group * size, (group + 1) * size).sort((a, b) => b - a);
            return gate.groupScore === 'max' ? members[0]! : members[0]! + members[1]!;
          });
          const threshold = [...groupScores].sort((a, b) => b - a)[gate.topkGroups - 1]!;
          const sure = ranked.filter((_, i) => groupScores[Math.floor(i / size)]! > threshold + 1e-5);
          const worst = Math.min(...chosen.map((expert) => ranked[expert]!));
          const left = sure.filter((value) => value > worst + 1e-5);
          expect(left.length).toBeLessThan(gate.topk);
          if (gate.topkGroups === gate.groups) {
            const others = ranked.filter((_, i) => !chosen.includes(i));
            expect(worst).toBeGreaterThanOrEqual(Math.max(...others, Number.NEGATIVE_INFINITY) - 1e-5);
          }
          for (const expert of chosen) {
            expect(groupScores[Math.floor(expert / size)]!).toBeGreaterThanOrEqual(threshold - 1e-5);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('slots descend, weights sum to 1, and loads count the slots', () => {
    fc.assert(
      fc.property(anyGate, (spec) => {
        const results = run(spec, generated(spec));
        const { topk } = spec.gate;
        const weights = numbersOf(results, 'topk_weights');
        for (let token = 0; token < spec.shape.tokens; token++) {
          const own = weights.slice(token * topk, (token + 1) * topk);
          expect(sum(own)).toBeCloseTo(1, 5);
          if (spec.bias === undefined) expect(own).toEqual([...own].sort((a, b) => b - a));
        }
        expect(sum(integersOf(results, 'load'))).toBe(spec.shape.tokens * topk);
      }),
      { numRuns: 300 },
    );
  });
});

describe('the oracle that knows of ties', () => {
  /** Results in which every token's slots are renamed by `move`, with the weights of the new experts. */
  const renamed = (spec: GateSpec, inputs: Tensors, move: (expert: number) => number): Tensors => {
    const { topk_idx } = run(spec, inputs);
    const indices = { ...topk_idx!, codes: topk_idx!.codes.map(move) };
    const { kernel: _, name: __, ...fields } = spec;
    const again = gateSpec(spec.shape.tokens, spec.shape.experts, spec.gate, { ...fields, indices: 'routing' });
    return run(again, { ...inputs, indices });
  };

  it('agrees with the gate, masked and refused tokens included', () => {
    fc.assert(
      fc.property(anyGate, (spec) => {
        const inputs = generated(spec);
        expect(gateViolations(spec, inputs, run(spec, inputs))).toEqual([]);
      }),
    );
    const bits = gateSpec(60, 8, 'mixtral', { logits: { input: { generate: 'bits', dtype: 'f32' } }, mask: 'mask' });
    const inputs = generated(bits);
    expect(gateViolations(bits, inputs, run(bits, inputs))).toEqual([]);
  });

  it('takes ties to the higher index as well', () => {
    // Experts i and 15 - i have the same logit: mirrored choices are as good.
    const spec = gateSpec(3, 16, { topk: 1, groups: 4, topkGroups: 2 });
    const half = [0.5, 1, 2, -1, 0, 0.25, 3, -2];
    const row = [...half, ...half.toReversed()];
    const inputs = { logits: f32Tensor([...row, ...row, ...row], [3, 16]) };
    const mirrored = renamed(spec, inputs, (expert) => 15 - expert);
    expect(integersOf(mirrored, 'topk_idx')).toEqual([13, 13, 13]);
    expect(gateViolations(spec, inputs, mirrored)).toEqual([]);
  });

  it('finds a wrong expert, a wrong group and a wrong weight', () => {
    const spec = gateSpec(4, 16, { topk: 2, groups: 4, topkGroups: 2 });
    const inputs = generated(spec);
    const messages = (results: Tensors): string[] =>
      gateViolations(spec, inputs, results).map(({ message }) => message);
    expect(messages(renamed(spec, inputs, (expert) => expert ^ 1))).not.toEqual([]);
    expect(messages(renamed(spec, inputs, (expert) => (expert + 4) % 16))).not.toEqual([]);
    const right = run(spec, inputs);
    const weights = {
      ...right.topk_weights!,
      codes: right.topk_weights!.codes.map((bits, i) => (i === 3 ? bits + 1 : bits)),
    };
    expect(messages({ ...right, topk_weights: weights })).toEqual(['weights are not those of the chosen']);
  });
});
