import { expect, it } from 'vitest';
import type { Arithmetic, TensorCoreModel } from '../../src/numerics/arithmetic.ts';
import type { FormatName } from '../../src/numerics/formats.ts';
import { describeGpu } from '../helpers/gpu.ts';
import { againstReference } from '../helpers/parity.ts';
import { type Content, type GemmFields, gemmSpec, matrix, models, schemeOf } from '../helpers/specs.ts';

/** Codes of two formats with unit or random scales through one arithmetic, device against reference. */
async function products(
  fields: GemmFields,
  formats: readonly [FormatName, FormatName],
  content: Content,
  options = {},
): Promise<string[]> {
  const { m, n, k } = fields.shape;
  const scheme = (format: FormatName, tile: readonly [number, number]) => schemeOf({ format, tile, recipe: 'divide' });
  const every = fields.arithmetic?.promoteEvery ?? 128;
  const columns = every === 0 ? 0 : every;
  const a = scheme(formats[0], [1, columns]);
  const b = scheme(formats[1], [128, columns]);
  const tiles = every === 0 ? 1 : Math.ceil(k / every);
  const scales = content === 'bits' ? 'bits' : 'normal';
  const inputs = {
    a: matrix(m, k, formats[0], content, 1),
    a_scales: matrix(m, tiles, 'f32', scales, 2),
    b: matrix(n, k, formats[1], content, 3),
    b_scales: matrix(Math.ceil(n / 128), tiles, 'f32', scales, 4),
    ...(fields.c ? { c: matrix(m, n, 'f32', content === 'bits' ? 'bits' : 'normal', 5) } : {}),
  };
  return againstReference(gemmSpec({ ...fields, a, b }), inputs, options);
}

const fp8Models = [
  models.hopper,
  models.ada,
  models.blackwell,
  models.mmaSync,
  models.mmaSyncF16,
  models.exact,
  models.sequential,
];

describeGpu('products of random codes equal the reference', () => {
  const cases = fp8Models.flatMap((model) =>
    (['finite', 'bits'] as const).map((content): [string, Content, TensorCoreModel] => [model.name, content, model]),
  );
  it.each(cases)('%s, %s', async (_, content, model) => {
    for (const formats of [
      ['e4m3', 'e4m3'],
      ['e5m2', 'e5m2'],
      ['e4m3', 'e5m2'],
    ] as const) {
      const fields = { shape: { m: 21, n: 35, k: 300 }, arithmetic: { model }, output: 'f32' as const };
      expect(await products(fields, formats, content), formats.join()).toEqual([]);
    }
  });

  it.each([
    ['bf16', models.bf16],
    ['f16', models.bf16],
    ['bf16', models.ampereBf16],
    ['bf16', models.hopper],
    ['f16', models.exact],
    ['bf16', models.exact],
    ['bf16', models.sequential],
    ['e2m1', models.fp4],
    ['e2m1', models.blackwell],
    ['e2m3', models.blackwell],
    ['e3m2', models.hopper],
  ] as const)('%s by %o', async (format, model) => {
    for (const content of ['finite', 'bits'] as const) {
      const fields = { shape: { m: 9, n: 14, k: 150 }, arithmetic: { model }, output: 'f32' as const };
      expect(await products(fields, [format, format], content), content).toEqual([]);
    }
  });

  // In a short block the largest products reach the last digit but one of the accumulator, which has few to spare.
  it.each([
    ['e4m3', 'e3m2', 15],
    ['e5m6', 'e3m2', 3],
  ] as const)('%s by %s exactly, in a block of %d', async (a, b, k) => {
    const fields = { shape: { m: 9, n: 14, k }, arithmetic: { model: models.exact }, output: 'f32' as const };
    expect(await products(fields, [a, b], 'bits')).toEqual([]);
  });

  it.each([
    ['e4m3', 'e2m1', models.hopper],
    ['e2m3', 'e5m6', models.ada],
    ['bf16', 'e3m2', models.blackwell],
  ] as const)('%s by %s by %o', async (a, b, model) => {
    const fields = { shape: { m: 9, n: 14, k: 150 }, arithmetic: { model }, output: 'f32' as const };
    expect(await products(fields, [a, b], 'finite')).toEqual([]);
  });

  const custom: readonly Partial<TensorCoreModel>[] = [
    { fractionBits: 12, output: 'f32-rz' },
    { fractionBits: 6, terms: 8 },
    { fractionBits: 3, terms: 8, output: 'f32-rne' },
    { fractionBits: 23, terms: 8, output: 'f32-rne' },
    { fractionBits: 24, terms: 4, output: 'f32-rne' },
    { fractionBits: 30, terms: 32, output: 'f32-rne' },
    { fractionBits: 35, terms: 64, output: 'f32-rz' },
    { fractionBits: 14, terms: 16, order: 'p4', output: 'f16-rne' },
    { fractionBits: 12, terms: 4, order: 'p4', output: 'f32-rz' },
    { fractionBits: 13, terms: 7 },
    { fractionBits: 13, terms: 1 },
  ];
  it.each(custom)('a custom model: %o', async (fields) => {
    const model: TensorCoreModel = { ...models.hopper, name: 'custom', ...fields };
    for (const k of [1, 2, 130, 261]) {
      const spec = { shape: { m: 6, n: 9, k }, arithmetic: { model }, output: 'f32' as const };
      expect(await products(spec, ['e4m3', 'e5m2'], 'finite'), `k ${k}`).toEqual([]);
    }
  });
});

describeGpu('promotion equals the reference', () => {
  const arithmetics: Partial<Arithmetic>[] = (['scales-first', 'a-then-b', 'b-then-a'] as const).flatMap((combine) =>
    (['fused', 'unfused'] as const).map((promote) => ({ combine, promote })),
  );
  it.each(arithmetics)('%o, every 128 and never, with C, all outputs', async (arithmetic) => {
    for (const promoteEvery of [128, 32, 0]) {
      for (const output of ['bf16', 'f16', 'f32'] as const) {
        const fields = {
          shape: { m: 7, n: 10, k: 320 },
          arithmetic: { ...arithmetic, promoteEvery },
          output,
          c: output !== 'f16',
        };
        expect(await products(fields, ['e4m3', 'e4m3'], 'finite'), `${promoteEvery} ${output}`).toEqual([]);
      }
    }
    const wild = { shape: { m: 17, n: 33, k: 128 }, arithmetic, output: 'f32' as const, c: true };
    expect(await products(wild, ['e4m3', 'e4m3'], 'bits')).toEqual([]);
  });
});

describeGpu('a gemm of high-precision operands equals the reference', () => {
  it.each([
    ['deepseek', schemeOf(), schemeOf({ tile: [128, 128] }), 128],
    ['deepseek, divided', schemeOf({ recipe: 'divide' }), schemeOf({ tile: [128, 128], recipe: 'divide' }), 128],
    ['wgrad', schemeOf(), schemeOf(), 128],
    [
      'packed exponents',
      schemeOf({ type: 'e8m0', layout: 'packed-e8m0' }),
      schemeOf({ tile: [128, 128], layout: 'mn-major' }),
      128,
    ],
    [
      'mxfp8',
      schemeOf({ tile: [1, 32], recipe: 'mx-floor', type: 'e8m0' }),
      schemeOf({ tile: [1, 32], recipe: 'mx-floor', type: 'e8m0' }),
      32,
    ],
    [
      'nvfp4',
      schemeOf({ format: 'e2m1', tile: [1, 16], recipe: 'nvfp4', type: 'e4m3' }),
      schemeOf({ format: 'e2m1', tile: [1, 16], recipe: 'nvfp4', type: 'e4m3' }),
      16,
    ],
    ['per token', schemeOf({ tile: [1, 0] }), schemeOf({ tile: [0, 0] }), 0],
  ])('%s, ragged', async (_, a, b, promoteEvery) => {
    for (const dtype of ['bf16', 'f32'] as const) {
      const spec = gemmSpec({ shape: { m: 33, n: 150, k: 300 }, a, b, arithmetic: { promoteEvery } });
      const inputs = { a: matrix(33, 300, dtype, 'normal', 1), b: matrix(150, 300, dtype, 'normal', 2) };
      expect(await againstReference(spec, inputs), dtype).toEqual([]);
    }
  });

  it('the smallest shapes', async () => {
    for (const [m, n, k] of [
      [1, 1, 1],
      [1, 5, 129],
      [4, 1, 31],
      [2, 3, 128],
    ] as const) {
      const spec = gemmSpec({ shape: { m, n, k } });
      expect(await againstReference(spec, { a: matrix(m, k, 'bf16'), b: matrix(n, k, 'bf16', 'normal', 2) })).toEqual(
        [],
      );
    }
  });

  it.each([
    ['never', models.hopper, 20_000, 0],
    ['every 128', models.hopper, 20_000, 128],
    ['never', models.sequential, 5000, 0],
    ['never', models.exact, 9000, 0],
  ] as const)('a k so long that it is cut over dispatches, promoted %s, %o', async (_, model, k, promoteEvery) => {
    const fields = { shape: { m: 2, n: 3, k }, arithmetic: { model, promoteEvery }, output: 'f32' as const };
    expect(await products(fields, ['e4m3', 'e4m3'], 'finite')).toEqual([]);
  });

  it('pieces of a product that passes a binding', async () => {
    for (const maxBindingBytes of [12_288, 16_384]) {
      const fields = { shape: { m: 45, n: 131, k: 260 }, c: true };
      expect(await products(fields, ['e4m3', 'e4m3'], 'finite', { maxBindingBytes })).toEqual([]);
    }
  });
});
