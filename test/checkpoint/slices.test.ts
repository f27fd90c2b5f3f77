import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planSlices, tilesOf, tilingOf } from '../../src/checkpoint/slices.ts';

const extent = fc.integer({ min: 1, max: 300 });
const tile = fc.constantFrom<readonly [number, number]>([128, 128], [1, 32], [1, 16], [1, 0], [0, 0], [128, 1], [0, 1]);

describe('slices', () => {
  it('cover every element once, stay within the bound, and never share a byte of packed codes', () => {
    fc.assert(
      fc.property(extent, extent, tile, fc.integer({ min: 8, max: 40_000 }), (rows, columns, extents, most) => {
        const tiling = tilingOf(rows, columns, extents);
        const plan = planSlices(rows, columns, tiling, most);
        const seen = new Uint8Array(rows * columns);
        for (const slice of plan.slices()) {
          const { top, bottom, left, right } = slice;
          const size = (bottom - top) * (right - left);
          const least = plan.whole ? tiling.tileRows * Math.max(tiling.tileColumns, 8) * 8 : most;
          expect(size).toBeLessThanOrEqual(Math.max(most, least));
          expect(left % 8).toBe(0);
          expect(right === columns || right % 8 === 0).toBe(true);
          for (let row = top; row < bottom; row++) for (let c = left; c < right; c++) seen[row * columns + c]!++;
        }
        expect(seen.every((count) => count === 1)).toBe(true);
      }),
    );
  });

  it('hold whole tiles wherever the plan says so', () => {
    fc.assert(
      fc.property(extent, extent, tile, fc.integer({ min: 8, max: 40_000 }), (rows, columns, extents, most) => {
        const tiling = tilingOf(rows, columns, extents);
        const plan = planSlices(rows, columns, tiling, most);
        const touched = new Map<string, number>();
        for (const slice of plan.slices()) {
          const tiles = tilesOf(slice, tiling);
          for (let r = tiles.top; r < tiles.bottom; r++) {
            for (let c = tiles.left; c < tiles.right; c++)
              touched.set(`${r} ${c}`, (touched.get(`${r} ${c}`) ?? 0) + 1);
          }
        }
        expect(touched.size).toBe(tiling.rows * tiling.columns);
        if (plan.whole) expect(Math.max(...touched.values())).toBe(1);
      }),
    );
  });
});
