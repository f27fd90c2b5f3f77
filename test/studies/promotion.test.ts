import { beforeAll, describe, expect, it } from 'vitest';
import type { Row } from '../../src/studies/study.ts';
import { numberIn, rowsOf, rowWhere } from './helpers.ts';

describe('the promotion study', () => {
  let rows: readonly Row[] = [];
  beforeAll(async () => {
    rows = await rowsOf('promotion', {
      k: [1024, 4096],
      intervals: [32, 128, 512],
      outputs: 8,
      data: ['positive', 'zero-mean'],
    });
  });
  const at = (data: string, model: string, interval: string, k: number): Row =>
    rowWhere(rows, { data, model, interval, k });

  // Figures of an independent simulation of the same tensor core on U(0,1) and N(0,1) data.
  it('positive data without promotion is biased by -1.5 % at K = 1024 and -7.5 % at 4096', () => {
    expect(numberIn(at('positive', 'hopper', 'never', 1024), 'bias')).toBeCloseTo(-0.015, 3);
    expect(numberIn(at('positive', 'hopper', 'never', 4096), 'bias')).toBeCloseTo(-0.075, 2);
    expect(numberIn(at('positive', 'hopper', 'never', 4096), 'max_relative_error')).toBeGreaterThan(0.0745);
    expect(numberIn(at('positive', 'hopper', 'never', 4096), 'max_relative_error')).toBeLessThan(0.0805);
  });

  it('promoting every 128 leaves a bias of -0.055 %, whatever K', () => {
    for (const k of [1024, 4096]) {
      expect(Math.abs(numberIn(at('positive', 'hopper', '128', k), 'bias') + 0.00055)).toBeLessThan(0.00003);
      expect(numberIn(at('positive', 'hopper', '128', k), 'max_relative_error')).toBeLessThan(0.0009);
    }
  });

  it('zero-mean data at K = 4096 is off by up to 1 % of the rms, promoted by up to 0.06 %', () => {
    const alone = numberIn(at('zero-mean', 'hopper', 'never', 4096), 'max_error_over_rms');
    const promoted = numberIn(at('zero-mean', 'hopper', '128', 4096), 'max_error_over_rms');
    expect(alone).toBeGreaterThan(0.003);
    expect(alone).toBeLessThan(0.012);
    expect(promoted).toBeGreaterThan(0.0001);
    expect(promoted).toBeLessThan(0.0006);
  });

  it('data whose mean is two thirds of its deviation comes to the paper’s nearly 2 %', async () => {
    const shifted = await rowsOf('promotion', { k: '4096', intervals: '128', models: 'hopper', data: 'shifted' });
    const error = numberIn(rowWhere(shifted, { model: 'hopper', interval: 'never' }), 'max_error_over_rms');
    expect(error).toBeGreaterThan(0.015);
    expect(error).toBeLessThan(0.022);
  });

  it('an exact sum promoted to f32 is off by its f32 roundings alone', () => {
    expect(numberIn(at('positive', 'exact', 'never', 4096), 'max_relative_error')).toBeLessThanOrEqual(2 ** -24);
    expect(numberIn(at('positive', 'exact', '128', 4096), 'max_relative_error')).toBeLessThan(32 * 2 ** -24);
  });

  it('a tensor core that keeps 25 fraction bits is a thousand times nearer than one that keeps 13', () => {
    const error = (model: string): number => numberIn(at('positive', model, 'never', 4096), 'max_relative_error');
    expect(error('hopper') / error('blackwell')).toBeGreaterThan(1000);
  });

  it('a row does not depend on what else is measured', async () => {
    const common = { outputs: 3, models: 'ada', data: 'positive' };
    const more = await rowsOf('promotion', { ...common, k: '512,1024', intervals: '128,256' });
    const less = await rowsOf('promotion', { ...common, k: '512', intervals: '128' });
    expect(less.length).toBe(3);
    for (const row of less) expect(more).toContainEqual(row);
  });
});
