import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Matrix } from '../../../src/studies/training/matrix.ts';
import { type Layout, multiplyF32, multiplyF64 } from '../../../src/studies/training/simd.ts';

/** Values whose sums show their order: magnitudes over many binades. */
function random(rows: number, columns: number, seed: number): Matrix {
  let state = seed >>> 0;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const values = Float32Array.from({ length: rows * columns }, () => (next() - 0.5) * 2 ** Math.floor(12 * next()));
  return { rows, columns, values };
}

/** The definition: one f32 accumulator, k in order, each operation rounded. */
function plain(a: Matrix, b: Matrix, layout: Layout, descending: boolean): Float32Array {
  const [m, k] = layout === 'tn' ? [a.columns, a.rows] : [a.rows, a.columns];
  const n = layout === 'nt' ? b.rows : b.columns;
  const at = (x: Matrix, transposed: boolean, i: number, j: number) =>
    transposed ? x.values[j * x.columns + i]! : x.values[i * x.columns + j]!;
  const out = new Float32Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let step = 0; step < k; step++) {
        const l = descending ? k - 1 - step : step;
        sum = Math.fround(sum + Math.fround(at(a, layout === 'tn', i, l) * at(b, layout !== 'nt', j, l)));
      }
      out[i * n + j] = sum;
    }
  }
  return out;
}

const shapes = (layout: Layout, m: number, n: number, k: number): [Matrix, Matrix] => [
  layout === 'tn' ? random(k, m, 1) : random(m, k, 1),
  layout === 'nt' ? random(n, k, 2) : random(k, n, 2),
];

describe('products on WebAssembly lanes', () => {
  const extent = fc.integer({ min: 1, max: 21 });
  const layout = fc.constantFrom<Layout>('nt', 'nn', 'tn');

  it('have the bits of one f32 accumulator, k ascending or descending', () => {
    fc.assert(
      fc.property(extent, extent, extent, layout, fc.boolean(), (m, n, k, layout, descending) => {
        const [a, b] = shapes(layout, m, n, k);
        const product = multiplyF32(a, b, layout, descending);
        expect([product.rows, product.columns]).toEqual([m, n]);
        expect(product.values).toEqual(plain(a, b, layout, descending));
      }),
      { numRuns: 200 },
    );
  });

  it('grow their memory for large operands and keep what was computed before', () => {
    const [a, b] = shapes('nt', 67, 129, 513);
    const first = multiplyF32(a, b, 'nt');
    const copy = first.values.slice();
    const [c, d] = shapes('nn', 300, 400, 700);
    multiplyF32(c, d, 'nn');
    expect(first.values).toEqual(copy);
    expect(first.values).toEqual(plain(a, b, 'nt', false));
  });

  it('agree with f64 to the rounding of as many steps', () => {
    const [a, b] = shapes('tn', 9, 11, 30);
    const magnitudes = (x: Matrix): Matrix => ({ ...x, values: x.values.map(Math.abs) });
    const exact = multiplyF64(a, b, 'tn').values;
    const bound = multiplyF64(magnitudes(a), magnitudes(b), 'tn').values;
    const { values } = multiplyF32(a, b, 'tn');
    for (let i = 0; i < values.length; i++) {
      expect(Math.abs(values[i]! - exact[i]!)).toBeLessThanOrEqual(31 * 2 ** -24 * bound[i]!);
    }
  });
});
