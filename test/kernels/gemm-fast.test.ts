import { expect, it } from 'vitest';
import { gemmReference } from '../../src/kernels/gemm/reference.ts';
import { fittingVariants } from '../../src/kernels/gemm/variants.ts';
import { largestError } from '../../src/kernels/near.ts';
import { lackedBy } from '../../src/kernels/variants.ts';
import type { FormatName } from '../../src/numerics/formats.ts';
import { describeGpu, newGpu } from '../helpers/gpu.ts';
import { runOnGpu } from '../helpers/parity.ts';
import { type GemmFields, gemmSpec, matrix, models, schemeOf } from '../helpers/specs.ts';

/** A ragged product of random codes of a format, with random scales, and what makes it. */
function product(format: FormatName, fields: GemmFields) {
  const { m, n, k } = fields.shape;
  const side = (tile: readonly [number, number]) => schemeOf({ format, tile, recipe: 'divide' });
  const spec = gemmSpec({ output: 'f32', a: side([1, 128]), b: side([128, 128]), ...fields });
  const tiles = Math.ceil(k / 128);
  // Finite codes of wide formats have products past f32.
  const content = format === 'bf16' ? 'normal' : 'finite';
  const inputs = {
    a: matrix(m, k, format, content, 1),
    a_scales: matrix(m, tiles, 'f32', 'normal', 2),
    b: matrix(n, k, format, content, 3),
    b_scales: matrix(Math.ceil(n / 128), tiles, 'f32', 'normal', 4),
  };
  return { spec, inputs };
}

describeGpu('every variant of the fast gemm is near the reference', () => {
  // k in whole words of codes, and not.
  const shapes = [301, 300].map((k) => ({ m: 37, n: 303, k }));
  const [shape] = shapes as [GemmFields['shape']];
  const cases = (['e4m3', 'e5m2', 'bf16', 'f16'] as const).flatMap((format) =>
    fittingVariants(product(format, { shape }).spec)
      .filter((variant) => lackedBy(newGpu(), variant).length === 0)
      .map(({ name }) => [format, name] as const),
  );

  it.each(cases)('%s, %s, ragged', async (format, name) => {
    for (const [i, promoteEvery] of [128, 0].entries()) {
      const { spec, inputs } = product(format, {
        shape: shapes[i]!,
        arithmetic: { promoteEvery, model: models.sequential },
      });
      const { d } = await runOnGpu(spec, inputs, { variants: { gemm: name } }, 'fast');
      const want = gemmReference(spec, inputs);
      expect(largestError(d!, want)).toBeLessThan(2 ** -18);
    }
  });
});
