import { expect, it } from 'vitest';
import type { Gpu } from '../../src/backends/webgpu/gpu.ts';
import { cutProduct } from '../../src/kernels/gemm/split.ts';

const gpu = { limits: { maxBindingBytes: 2 ** 30, leastSubgroup: 4 } } as unknown as Gpu;

it('pieces of a product have no more rows and columns than a texture has lines, and cover it once', () => {
  const [m, n, most] = [70, 45, 32];
  const pieces = cutProduct(gpu, m, n, 64, 4, most);
  const covered = new Uint8Array(m * n);
  for (const { band, others } of pieces) {
    for (const rows of others) {
      expect(Math.max(band.rows, rows.rows)).toBeLessThanOrEqual(most);
      for (let row = rows.start; row < rows.start + rows.rows; row++)
        for (let column = band.start; column < band.start + band.rows; column++) covered[row * n + column]!++;
    }
  }
  expect(covered.every((times) => times === 1)).toBe(true);
  expect(cutProduct(gpu, m, n, 64, 4)).toEqual([{ band: { start: 0, rows: n }, others: [{ start: 0, rows: m }] }]);
});
