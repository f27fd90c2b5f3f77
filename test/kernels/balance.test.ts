import { describe, expect, it } from 'vitest';
import { kernelOf } from '../../src/kernels/index.ts';
import { materializeInputs } from '../../src/kernels/inputs.ts';
import { resolveSpec } from '../../src/specs/resolve.ts';
import type { Tensors } from '../../src/tensors/tensor.ts';
import { f32Tensor, i32Tensor, integersOf, numbersOf } from '../helpers/gate.ts';

function run(kernel: string, fields: object, given?: Tensors): Tensors {
  const spec = resolveSpec({ fp8lab: 1, kernel, name: 'test', ...fields });
  return kernelOf(spec).reference(spec, given ?? materializeInputs(kernelOf(spec).inputs(spec)));
}

const zeros = { input: { generate: 'zero', dtype: 'f32' } };

describe('bias-update', () => {
  const update = (load: readonly number[]): number[] => {
    const fields = { shape: { experts: load.length }, gamma: 0.25, bias: zeros, load: 'integers' };
    const given = {
      bias: f32Tensor(
        load.map(() => 1),
        [load.length],
      ),
      load: i32Tensor(load, [load.length]),
    };
    return numbersOf(run('bias-update', fields, given), 'bias');
  };

  it('moves biases up where an expert got less than the mean, down where more, and leaves the mean alone', () => {
    expect(update([3, 1, 2])).toEqual([0.75, 1.25, 1]);
  });

  it('knows loads that no f32 tells apart', () => {
    expect(update([16_777_217, 16_777_217, 16_777_217, 16_777_216])).toEqual([0.75, 0.75, 0.75, 1.25]);
  });

  it('refuses negative loads', () => {
    expect(() => update([1, -1])).toThrow('load has -1 at element 1');
  });
});

describe('load-statistics', () => {
  it('counts slots, and relates them to an even share and to the mean', () => {
    const fields = { shape: { tokens: 3, experts: 4, topk: 2 }, topkIdx: 'routing' };
    const results = run('load-statistics', fields, { topk_idx: i32Tensor([0, 1, 0, -1, 0, 3], [3, 2]) });
    expect(integersOf(results, 'load')).toEqual([3, 1, 0, 1]);
    expect(numbersOf(results, 'fraction')).toEqual([2, 4 / 6, 0, 4 / 6].map(Math.fround));
    expect(numbersOf(results, 'imbalance')).toEqual([Math.fround(12 / 5)]);
  });
});

describe('balance-loss', () => {
  const logits = { input: { generate: 'normal', dtype: 'f32', seed: 5 } };

  it.each(['sigmoid', 'softmax'])('is the equations of DeepSeek-V3 in doubles, %s', (score) => {
    const [tokens, experts, topk, alpha] = [40, 16, 3, 0.5];
    const fields = { shape: { tokens, experts }, score, topk, alpha, logits };
    const spec = resolveSpec({ fp8lab: 1, kernel: 'balance-loss', name: 'test', ...fields });
    const inputs = materializeInputs(kernelOf(spec).inputs(spec));
    const values = numbersOf(inputs, 'logits');
    const f = Array(experts).fill(0);
    const p = Array(experts).fill(0);
    for (let token = 0; token < tokens; token++) {
      const own = values.slice(token * experts, (token + 1) * experts);
      const scores = own.map((x) => (score === 'sigmoid' ? 1 / (1 + Math.exp(-x)) : Math.exp(x)));
      const sum = scores.reduce((a, b) => a + b, 0);
      const order = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]!);
      for (const expert of order.slice(0, topk)) f[expert] += experts / (topk * tokens);
      for (const [expert, s] of scores.entries()) p[expert] += s / sum / tokens;
    }
    const results = run('balance-loss', fields, inputs);
    for (const [i, value] of numbersOf(results, 'f').entries()) expect(value).toBeCloseTo(f[i], 5);
    for (const [i, value] of numbersOf(results, 'p').entries()) expect(value).toBeCloseTo(p[i], 6);
    const loss = alpha * f.reduce((total, value, i) => total + value * p[i], 0);
    expect(numbersOf(results, 'loss')[0]).toBeCloseTo(loss, 6);
  });

  it('is alpha where every expert is chosen by every token', () => {
    const results = run('balance-loss', { shape: { tokens: 9, experts: 8 }, topk: 8, alpha: 0.25, logits });
    expect(numbersOf(results, 'f')).toEqual(Array(8).fill(1));
    expect(numbersOf(results, 'loss')[0]).toBeCloseTo(0.25, 6);
  });

  it('refuses more experts of a token than there are, with both numbers', () => {
    const fields = { shape: { tokens: 4, experts: 4 }, topk: 5, logits };
    expect(() => run('balance-loss', fields)).toThrow('is 5, and there are 4 experts');
  });
});
