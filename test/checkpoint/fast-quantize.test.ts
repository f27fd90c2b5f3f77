import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  isFast,
  quantizeFast,
  quantizeSlice,
  sliceAmax,
  type WideDType,
  widenBytes,
} from '../../src/checkpoint/fast-quantize.ts';
import { planSlices, tilesOf, tilingOf } from '../../src/checkpoint/slices.ts';
import { quantizeReference } from '../../src/kernels/quantize/reference.ts';
import type { FormatName } from '../../src/numerics/formats.ts';
import { tensorScaleBits } from '../../src/numerics/scale.ts';
import type { ScaleRecipe, Scheme } from '../../src/numerics/scheme.ts';
import { allocateCodes, type Tensor } from '../../src/tensors/tensor.ts';

const scheme = (
  format: FormatName,
  tile: readonly [number, number],
  recipe: ScaleRecipe,
  type: Scheme['scale']['type'] = 'f32',
  amaxFloor = 1e-4,
): Scheme => ({
  format,
  tile,
  scale: { type, recipe, amaxFloor, layout: 'row-major' },
  rounding: 'nearest-even',
  overflow: 'saturate',
  seed: 0,
});

const schemes: readonly Scheme[] = [
  ...(['divide', 'reciprocal', 'inverse', 'deepep', 'v32', 'te', 'torchao', 'pow2'] as const).flatMap((recipe) => [
    scheme('e4m3', [128, 128], recipe),
    scheme('e4m3', [1, 128], recipe, 'f32', 0),
    scheme('e5m2', [0, 0], recipe),
  ]),
  ...(['mx-floor', 'mx-ceil', 'mx-even', 'mx-rceil'] as const).flatMap((recipe) =>
    (['e4m3', 'e5m2', 'e3m2', 'e2m3', 'e2m1'] as const).map((format) => scheme(format, [1, 32], recipe, 'e8m0', 0)),
  ),
  scheme('e2m1', [1, 16], 'nvfp4', 'e4m3', 0),
  scheme('e4m3', [1, 0], 'divide'),
  scheme('e5m2', [0, 0], 'unit', 'f32', 0),
];

const label = ({ format, tile, scale }: Scheme): string => `${format} ${tile.join('x')} ${scale.recipe}`;

function tensorScaleOf(x: Tensor, { scale }: Scheme): number | undefined {
  if (scale.recipe !== 'nvfp4') return undefined;
  const words = new Uint32Array(x.codes.length);
  widenBytes(new Uint8Array(x.codes.buffer), x.dtype as WideDType, words);
  return tensorScaleBits(words.reduce((amax, word) => Math.max(amax, word & 0x7fffffff), 0));
}

function expectReference(x: Tensor, wanted: Scheme): void {
  const reference = quantizeReference(x, wanted);
  const [rows, columns] = x.shape as [number, number];
  const fast = quantizeFast(x, wanted, tilingOf(rows, columns, wanted.tile), tensorScaleOf(x, wanted));
  expect(Buffer.compare(fast.codes, reference.codes.codes as Uint8Array)).toBe(0);
  expect(Array.from(fast.scales)).toEqual(Array.from(reference.scales.codes));
}

/** Random bits around a random exponent, so that tiles of every magnitude occur, subnormal and near the top. */
function noise(dtype: WideDType, rows: number, columns: number, seed: number, exponent: number): Tensor {
  const codes = allocateCodes(dtype, rows * columns);
  let state = seed | 1;
  for (let i = 0; i < codes.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    const field = Math.min(254, Math.max(0, exponent - (Math.clz32(state >>> 8) & 15)));
    const word = ((state & 0x80000000) | (field << 23) | ((state >>> 7) & 0x7fffff)) >>> 0;
    codes[i] = dtype === 'F32' ? word : word >>> 16;
  }
  return { dtype, shape: [rows, columns], codes };
}

describe('the fast quantizer', () => {
  it.each(schemes.map((each) => [label(each), each] as const))(
    '%s: every bf16 pattern as the reference',
    (_, wanted) => {
      const codes = Uint16Array.from({ length: 65536 }, (_, i) => i);
      expectReference({ dtype: 'BF16', shape: [256, 256], codes }, wanted);
    },
  );

  it.each(schemes.map((each) => [label(each), each] as const))('%s: random tiles as the reference', (_, wanted) => {
    const property = fc.property(
      fc.constantFrom<WideDType>('F32', 'F16', 'BF16'),
      fc.integer({ min: 1, max: 140 }),
      fc.integer({ min: 1, max: 140 }),
      fc.integer(),
      fc.integer({ min: 0, max: 256 }),
      (dtype, rows, columns, seed, exponent) => expectReference(noise(dtype, rows, columns, seed, exponent), wanted),
    );
    fc.assert(property, { numRuns: 25 });
  });

  it.each(schemes.map((each) => [label(each), each] as const))('%s: slices put together are the whole', (_, wanted) => {
    const x = noise('BF16', 150, 200, 7, 130);
    const tiling = tilingOf(150, 200, wanted.tile);
    const tensorScale = tensorScaleOf(x, wanted);
    const whole = quantizeFast(x, wanted, tiling, tensorScale);
    for (const most of [64, 500, 5000, 20_000]) {
      const plan = planSlices(150, 200, tiling, most);
      const words = (slice: { top: number; bottom: number; left: number; right: number }): Uint32Array => {
        const out: number[] = [];
        for (let row = slice.top; row < slice.bottom; row++) {
          for (let column = slice.left; column < slice.right; column++) out.push(x.codes[row * 200 + column]! << 16);
        }
        return Uint32Array.from(out);
      };
      const amax = new Uint32Array(tiling.rows * tiling.columns);
      const tiles = (slice: Parameters<typeof tilesOf>[0]): number[] => {
        const { top, bottom, left, right } = tilesOf(slice, tiling);
        const list: number[] = [];
        for (let row = top; row < bottom; row++) for (let c = left; c < right; c++) list.push(row * tiling.columns + c);
        return list;
      };
      for (const slice of plan.slices()) {
        const parts = sliceAmax(words(slice), slice, tiling);
        tiles(slice).forEach((tile, i) => {
          amax[tile] = Math.max(amax[tile]!, parts[i]!);
        });
      }
      const codes = new Uint8Array(150 * 200);
      const scales = whole.scales.slice().fill(0);
      for (const slice of plan.slices()) {
        const known = plan.whole ? undefined : Uint32Array.from(tiles(slice), (tile) => amax[tile]!);
        const part = quantizeSlice(words(slice), slice, tiling, wanted, known, tensorScale);
        const width = slice.right - slice.left;
        for (let row = slice.top; row < slice.bottom; row++) {
          const line = part.codes.subarray((row - slice.top) * width, (row - slice.top + 1) * width);
          codes.set(line, row * 200 + slice.left);
        }
        tiles(slice).forEach((tile, i) => {
          scales[tile] = part.scales[i]!;
        });
      }
      expect(Buffer.compare(codes, whole.codes)).toBe(0);
      expect(scales).toEqual(whole.scales);
    }
  });

  it('powers of two are exact at every exponent a shift can have', () => {
    for (let e = -160; e <= 160; e++) {
      let power = 1;
      for (let i = 0; i < Math.abs(e); i++) power *= e < 0 ? 0.5 : 2;
      expect(2 ** e).toBe(power);
    }
  });

  it('schemes whose rounding plain f32 could spoil are not taken', () => {
    expect(schemes.every(isFast)).toBe(true);
    expect(isFast({ ...schemes[0]!, rounding: 'toward-positive' })).toBe(false);
    expect(isFast({ ...schemes[0]!, rounding: 'stochastic' })).toBe(false);
    expect(isFast({ ...schemes[0]!, overflow: 'ieee' })).toBe(false);
    expect(isFast({ ...schemes[0]!, format: 'e5m6' })).toBe(false);
  });
});
