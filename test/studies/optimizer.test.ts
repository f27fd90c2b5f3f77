import { describe, expect, it } from 'vitest';
import { formats } from '../../src/numerics/formats.ts';
import { minimize } from '../../src/studies/optimizer/adamw.ts';
import { leastSquares, type Problem, smallNetwork } from '../../src/studies/optimizer/problems.ts';
import { stepWords, storages, storeAs, storeTiled } from '../../src/studies/optimizer/storage.ts';
import { numberIn, rowsOf } from './helpers.ts';

const noWords = new Uint32Array(1024);

describe.each([
  ['least squares', leastSquares],
  ['small network', smallNetwork],
] as const)('%s', (_, make) => {
  it('has the gradient that differences of its loss give', () => {
    const problem = make(3);
    const at = problem.initial().map((value, i) => value + Math.sin(i));
    const batches = 1024 / 32;
    const total = new Float64Array(at.length);
    const part = new Float64Array(at.length);
    for (let batch = 0; batch < batches; batch++) {
      problem.gradient(at, batch, part);
      for (let i = 0; i < part.length; i++) total[i]! += part[i]! / batches;
    }
    for (let i = 0; i < at.length; i += 13) {
      const step = 1e-6;
      const moved = (by: number): number => problem.loss(at.map((value, j) => (j === i ? value + by : value)));
      expect(total[i]!).toBeCloseTo((moved(step) - moved(-step)) / (2 * step), 4);
    }
  });
});

describe('AdamW', () => {
  /** Half the squared distance from 3. */
  const bowl: Problem = {
    initial: () => Float64Array.of(0),
    gradient: (w, _, out) => {
      out[0] = w[0]! - 3;
    },
    loss: (w) => (w[0]! - 3) ** 2 / 2,
  };

  it('takes the steps that its paper says', async () => {
    const losses: number[] = [];
    const adam = { rate: 0.1, beta1: 0.9, beta2: 0.999, decay: 0.01, steps: 3 };
    await minimize(bowl, storages.f32, adam, 1, 3, async (_, loss) => void losses.push(loss));
    let [w, m, v] = [0, 0, 0];
    const expected = [1, 2, 3].map((t) => {
      const g = w - 3;
      m = 0.9 * m + 0.1 * g;
      v = 0.999 * v + 0.001 * g * g;
      const rate = 0.1 * (1 - (0.9 * (t - 1)) / 3);
      w -= rate * (m / (1 - 0.9 ** t) / (Math.sqrt(v / (1 - 0.999 ** t)) + 1e-8) + 0.01 * w);
      return (w - 3) ** 2 / 2;
    });
    for (const [i, loss] of expected.entries()) expect(losses[i]!).toBeCloseTo(loss, 5);
  });

  it('reaches the bottom of a bowl', async () => {
    let last = Number.NaN;
    const adam = { rate: 0.05, beta1: 0.9, beta2: 0.95, decay: 0, steps: 500 };
    await minimize(bowl, storages.f32, adam, 1, 1, async (_, loss) => {
      last = loss;
    });
    expect(last).toBeLessThan(1e-4);
  });
});

describe('state in fewer bits', () => {
  it('bf16 loses additions below half a step; rounded by chance they stay on average', () => {
    const added = (rounding: 'nearest-even' | 'stochastic'): number => {
      const store = storeAs(formats.bf16, rounding);
      const values = new Float64Array(1024).fill(1);
      const words = new Uint32Array(values.length);
      for (let step = 1; step <= 100; step++) {
        for (let i = 0; i < values.length; i++) values[i]! += 2 ** -10;
        stepWords(5, 17, step, words);
        store(values, words);
      }
      return values.reduce((sum, value) => sum + value, 0) / values.length - 1;
    };
    expect(added('nearest-even')).toBe(0);
    // 100 * 2^-10; steps of 2^-7: the mean of 1024 wanders by about 2^-7 * sqrt(100 / 8) / 32.
    expect(Math.abs(added('stochastic') - 100 * 2 ** -10)).toBeLessThan(0.004);
  });

  it('FP8 tiles keep the largest of every 128 exactly, and zeros', () => {
    const values = Float64Array.from({ length: 300 }, (_, i) =>
      i === 200 ? 10_000 : i === 40 ? 0 : Math.fround(1 / (i + 1)),
    );
    storeTiled(formats.e4m3, 'nearest-even')(values, noWords);
    expect(values[200]).toBe(10_000);
    expect(values[0]).toBe(1);
    expect(values[40]).toBe(0);
    // Half the least step of its scale, 2^-10 * 10,000 / 448, is above 1 / 130.
    expect(values[129]).toBe(0);
  });
});

describe('the optimizer study', () => {
  it('bf16 moments do as well as f32 with beta2 = 0.95 and worse with 0.999, where chance rounding mends it', async () => {
    const rows = await rowsOf('optimizer', { problems: 'least squares', moments: 'f32,bf16,bf16 sr', repeats: 1 });
    const end = (beta2: string, moments: string): number =>
      numberIn(rows.filter((row) => row.beta2 === beta2 && row.moments === moments).at(-1)!, 'loss');
    expect(Math.abs(end('0.95', 'bf16') / end('0.95', 'f32') - 1)).toBeLessThan(0.01);
    expect(end('0.999', 'bf16') / end('0.999', 'f32')).toBeGreaterThan(1.1);
    expect(Math.abs(end('0.999', 'bf16 sr') / end('0.999', 'f32') - 1)).toBeLessThan(0.03);
  });
});
