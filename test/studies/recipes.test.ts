import { describe, expect, it } from 'vitest';
import { encode } from '../../src/numerics/codec.ts';
import { compareRecipes, recipePairs } from '../../src/studies/recipes.ts';
import { gaussians, numberIn, rowsOf, rowWhere } from './helpers.ts';

const tiles = 20_000;

/** Shares, in percent, of codes and scales that differ, over bf16 Gaussians. */
function gaussianShares(): (a: string, b: string) => { codes: number; scales: number; steps: number } {
  const pairs = recipePairs('f32');
  const words = Uint32Array.from(encode(gaussians(tiles * 128, 7), 'bf16'), (code) => (code << 16) >>> 0);
  compareRecipes('f32', words, pairs);
  return (a, b) => {
    const { counts } = pairs.find((pair) => pair.a === a && pair.b === b)!;
    return { codes: (100 * counts.codes) / words.length, scales: (100 * counts.scales) / tiles, steps: counts.steps };
  };
}

describe('the recipes study', () => {
  const share = gaussianShares();

  // Published shares for 20,000 x 128 bf16 normals. Ties fall in tiles of few amax values: the share moves by a fifth from draw to draw.
  it.each([
    ['DeepSeek-V3 Triton', 'DeepGEMM', 0.052],
    ['DeepSeek-V3 Triton', 'TileKernels', 0.033],
    ['DeepGEMM', 'TileKernels', 0.02],
    ['DeepSeek-V3 Triton', 'DeepGEMM on CUDA', 0.116],
    ['DeepGEMM', 'DeepGEMM on CUDA', 0.167],
    ['TileKernels', 'real quotient', 0.033],
    ['DeepGEMM', 'real quotient', 0.053],
  ])('codes of %s and %s differ in about %f %%', (a, b, published) => {
    expect(share(a, b).codes / published).toBeGreaterThan(0.75);
    expect(share(a, b).codes / published).toBeLessThan(1.3);
    expect(share(a, b).steps).toBe(1);
  });

  it('dividing by a correctly rounded scale is nearest to the real quotient', () => {
    expect(share('DeepSeek-V3 Triton', 'real quotient').codes).toBeLessThan(0.004);
  });

  it('f32 scales differ in 59 % (amax * fl(1/448)) and 38 % (1 / fl(448 / amax))', () => {
    expect(Math.abs(share('DeepSeek-V3 Triton', 'DeepEP').scales - 59)).toBeLessThan(1);
    expect(Math.abs(share('DeepSeek-V3 Triton', 'TransformerEngine').scales - 38)).toBeLessThan(1);
  });

  it('power-of-two scales and their codes are the same in every public form', async () => {
    const rows = (await rowsOf('recipes', { tiles: 2000 })).filter((row) => row.scales === 'pow2');
    expect(rows.length).toBe(6);
    for (const row of rows) expect([row.codes_differ, row.scales_differ]).toEqual([0, 0]);
  });

  it('codes of f32 values differ a thousand times less often than those of bf16 values', async () => {
    const rows = await rowsOf('recipes', { tiles: 4000 });
    const of = (data: string): number =>
      numberIn(rowWhere(rows, { data, a: 'DeepSeek-V3 Triton', b: 'DeepGEMM' }), 'codes_differ');
    expect(of('bf16')).toBeGreaterThan(2e-4);
    expect(of('f32')).toBeLessThan(1e-5);
  });
});
