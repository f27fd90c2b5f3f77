import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { multiply, multiplyTransposed } from '../../src/studies/matmul.ts';
import type { Row } from '../../src/studies/study.ts';
import { numberIn, rowsOf, rowWhere } from './helpers.ts';

describe('products in doubles', () => {
  const sizes = fc.record({
    rows: fc.integer({ min: 1, max: 5 }),
    inner: fc.integer({ min: 1, max: 11 }),
    columns: fc.integer({ min: 1, max: 6 }),
  });

  it('are sums in ascending order, bit for bit', () => {
    fc.assert(
      fc.property(sizes, fc.nat(), ({ rows, inner, columns }, seed) => {
        const value = (i: number): number => Math.fround(Math.sin(seed + 12.9898 * i) * 43758.5453);
        const a = Float32Array.from({ length: rows * inner }, (_, i) => value(i));
        const b = Float32Array.from({ length: inner * columns }, (_, i) => value(i + 500));
        const expected = new Float64Array(rows * columns);
        for (let r = 0; r < rows; r++) {
          for (let c = 0; c < columns; c++) {
            for (let k = 0; k < inner; k++) expected[r * columns + c]! += a[r * inner + k]! * b[k * columns + c]!;
          }
        }
        expect(multiply(a, b, rows, inner, columns)).toEqual(expected);
        const turned = a.map((_, i) => a[(i % rows) * inner + Math.floor(i / rows)]!);
        expect(multiplyTransposed(turned, b, inner, rows, columns)).toEqual(expected);
      }),
    );
  });
});

describe('the block-wise gradients study', () => {
  let rows: readonly Row[] = [];
  beforeAll(async () => {
    rows = await rowsOf('blockwise-gradients', { tokens: 128, width: 128, layers: 4, exponents: '0,16', share: 0.03 });
  });
  const error = (gradient: string, exponent: number, layer: number, name = 'dx_token_error'): number =>
    numberIn(rowWhere(rows, { gradient, exponent, layer }), name);

  it('without outliers tiles and blocks err alike: sqrt(2) times the rounding of one operand', () => {
    // Rounding to 3 mantissa bits costs 2.6 to 2.7 % rms.
    for (const gradient of ['1x128', '128x128', 'per-tensor']) {
      expect(error(gradient, 0, 1)).toBeGreaterThan(0.034);
      expect(error(gradient, 0, 1)).toBeLessThan(0.041);
    }
  });

  it('errors of layers add up as independent ones do', () => {
    expect(error('1x128', 0, 4) / error('1x128', 0, 1)).toBeGreaterThan(1.8);
    expect(error('1x128', 0, 4) / error('1x128', 0, 1)).toBeLessThan(2.2);
  });

  it('outlier tokens leave 1x128 tiles as they were and ruin the ordinary tokens of 128x128 blocks', () => {
    expect(error('1x128', 16, 1) / error('1x128', 0, 1)).toBeLessThan(1.05);
    expect(error('128x128', 16, 1)).toBeGreaterThan(0.15);
    expect(error('128x128', 16, 4)).toBeGreaterThan(2 * error('128x128', 16, 1));
  });

  it('the norms over all tokens hide it', () => {
    expect(error('128x128', 16, 1, 'dx_error')).toBeLessThan(0.045);
    expect(error('128x128', 16, 1, 'dw_error')).toBeLessThan(0.045);
  });

  it('the bf16 arm errs by the rounding of dx between layers alone', () => {
    expect(error('bf16', 16, 1)).toBe(0);
    expect(error('bf16', 16, 4)).toBeLessThan(0.005);
  });
});
