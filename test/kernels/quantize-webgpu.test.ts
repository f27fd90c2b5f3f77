import { expect, it } from 'vitest';
import { kernelOf } from '../../src/kernels/index.ts';
import type { FormatName } from '../../src/numerics/formats.ts';
import { powerOfTwoRecipes } from '../../src/numerics/scale.ts';
import { type ScaleRecipe, type Scheme, scaleRecipes } from '../../src/numerics/scheme.ts';
import type { Tensor, Tensors } from '../../src/tensors/tensor.ts';
import { describeGpu } from '../helpers/gpu.ts';
import { againstReference, mismatches, runOnGpu } from '../helpers/parity.ts';
import { dequantizeSpec, matrix, quantizeSpec, requantizeSpec, schemeOf } from '../helpers/specs.ts';

const recipes: readonly ScaleRecipe[] = scaleRecipes;
const tiles: readonly (readonly [number, number])[] = [
  [1, 128],
  [128, 128],
  [128, 1],
  [1, 64],
  [1, 32],
  [1, 16],
  [1, 0],
  [0, 0],
  [0, 1],
  [7, 5],
];

const typeOf = (recipe: ScaleRecipe): 'e4m3' | 'f32' | 'e8m0' =>
  recipe === 'nvfp4' ? 'e4m3' : powerOfTwoRecipes.has(recipe) ? 'e8m0' : 'f32';

/** All 65,536 bf16 patterns as [256, 256]: neighbours in value side by side, or each row over all exponents. */
function everyBf16(order: 'rows' | 'columns' | 'finite'): Tensor {
  const codes = Uint16Array.from({ length: 65536 }, (_, i) => {
    const code = order === 'rows' ? i : ((i & 0xff) << 8) | (i >> 8);
    return order === 'finite' && (code & 0x7f80) === 0x7f80 ? code & 0x8000 : code;
  });
  return { dtype: 'BF16', shape: [256, 256], codes };
}

describeGpu('quantize on the device equals the reference', () => {
  it.each(recipes)('%s: every bf16 value in tiles of every shape', async (recipe) => {
    const found: Record<string, string[]> = {};
    for (const tile of tiles) {
      for (const order of ['rows', 'columns', 'finite'] as const) {
        const scheme = schemeOf({ recipe, tile, type: typeOf(recipe), format: recipe === 'nvfp4' ? 'e2m1' : 'e4m3' });
        const differing = await againstReference(quantizeSpec(256, 256, scheme), { x: everyBf16(order) });
        if (differing.length > 0) found[`${tile} ${order}`] = differing;
      }
    }
    expect(found).toEqual({});
  });

  it.each(['e4m3', 'e5m2', 'e2m1'] as const)('%s: whole tiles of one row, any f32', async (format) => {
    for (const content of ['bits', 'finite'] as const) {
      const scheme = schemeOf({ format, tile: [1, 32], recipe: 'mx-floor', type: 'e8m0' });
      const x = matrix(24, 256, 'f32', content);
      expect(await againstReference(quantizeSpec(24, 256, scheme), { x }), content).toEqual([]);
    }
  });

  const dtypes: readonly FormatName[] = ['bf16', 'f16', 'f32', 'e4m3'];
  it.each(dtypes)('%s input, ragged shapes, any bit pattern', async (dtype) => {
    for (const [rows, columns] of [
      [1, 1],
      [3, 131],
      [130, 257],
      [257, 3],
    ] as const) {
      for (const [tile, recipe] of [
        [[1, 128], 'pow2'],
        [[128, 128], 'divide'],
        [[128, 1], 'inverse'],
        [[0, 0], 'te'],
      ] as const) {
        for (const content of ['bits', 'finite'] as const) {
          const x = matrix(rows, columns, dtype, content, rows);
          const spec = quantizeSpec(rows, columns, schemeOf({ tile, recipe }));
          expect(await againstReference(spec, { x }), `${rows}x${columns} ${tile} ${recipe} ${content}`).toEqual([]);
        }
      }
    }
  });

  const variants: [string, Partial<Parameters<typeof schemeOf>[0]>][] = [
    ['e5m2', { format: 'e5m2' }],
    ['e5m6 a token', { format: 'e5m6', tile: [1, 0] }],
    ['mxfp6 e2m3', { format: 'e2m3', tile: [1, 32], recipe: 'mx-floor', type: 'e8m0', amaxFloor: 0 }],
    ['mxfp6 e3m2', { format: 'e3m2', tile: [1, 32], recipe: 'mx-even', type: 'e8m0', amaxFloor: 0 }],
    ['mxfp4', { format: 'e2m1', tile: [1, 32], recipe: 'mx-ceil', type: 'e8m0', amaxFloor: 0 }],
    ['nvfp4', { format: 'e2m1', tile: [1, 16], recipe: 'nvfp4', type: 'e4m3', amaxFloor: 0 }],
    ['stochastic', { rounding: 'stochastic', seed: 77 }],
    ['toward zero, ieee overflow', { rounding: 'toward-zero', overflow: 'ieee', recipe: 'deepep' }],
    ['to odd', { rounding: 'to-odd', recipe: 'divide' }],
    ['mn-major scales', { layout: 'mn-major' }],
    ['packed exponents', { layout: 'packed-e8m0', type: 'e8m0' }],
    ['no amax floor', { amaxFloor: 0, recipe: 'divide' }],
  ];
  it.each(variants)('%s', async (_, fields) => {
    for (const content of ['normal', 'bits'] as const) {
      const spec = quantizeSpec(37, 300, schemeOf(fields));
      expect(await againstReference(spec, { x: matrix(37, 300, 'bf16', content, 5) }), content).toEqual([]);
    }
  });

  it('a tensor of zeros', async () => {
    const x: Tensor = {
      dtype: 'BF16',
      shape: [3, 200],
      codes: Uint16Array.from({ length: 600 }, (_, i) => (i % 3 === 0 ? 0x8000 : 0)),
    };
    for (const recipe of recipes) {
      const scheme = schemeOf({ recipe, amaxFloor: 0, type: typeOf(recipe) });
      expect(await againstReference(quantizeSpec(3, 200, scheme), { x }), recipe).toEqual([]);
    }
  });
});

const quantized = (rows: number, columns: number, scheme: Scheme, content: 'normal' | 'bits'): Tensors => {
  const spec = quantizeSpec(rows, columns, scheme);
  return kernelOf(spec).reference(spec, { x: matrix(rows, columns, 'bf16', content, 9) });
};

describeGpu('dequantize on the device equals the reference', () => {
  const cases: [string, Scheme][] = [
    ['pow2 tiles', schemeOf()],
    ['divided blocks', schemeOf({ recipe: 'divide', tile: [128, 128] })],
    ['packed exponents', schemeOf({ type: 'e8m0', layout: 'packed-e8m0' })],
    ['mn-major', schemeOf({ layout: 'mn-major', format: 'e5m2' })],
    ['nvfp4', schemeOf({ format: 'e2m1', tile: [1, 16], recipe: 'nvfp4', type: 'e4m3' })],
    ['e5m6', schemeOf({ format: 'e5m6', tile: [1, 0] })],
  ];
  it.each(cases)('%s to every output, from codes and from numbers', async (_, scheme) => {
    for (const output of ['bf16', 'f16', 'f32'] as const) {
      for (const content of ['normal', 'bits'] as const) {
        const spec = dequantizeSpec(131, 203, scheme, output);
        expect(await againstReference(spec, quantized(131, 203, scheme, content)), `${output} ${content}`).toEqual([]);
        expect(await againstReference(spec, { x: matrix(131, 203, 'bf16', content, 9) })).toEqual([]);
      }
    }
  });

  it('random codes and random scales, NaN and Inf and subnormals included', async () => {
    const scheme = schemeOf({ recipe: 'divide', format: 'e5m2' });
    const inputs = { codes: matrix(40, 256, 'e5m2', 'bits', 3), scales: matrix(40, 2, 'f32', 'bits', 4) };
    for (const output of ['bf16', 'f16', 'f32'] as const) {
      expect(await againstReference(dequantizeSpec(40, 256, scheme, output), inputs), output).toEqual([]);
    }
  });
});

describeGpu('requantize on the device equals the reference', () => {
  it.each([
    ['1x128 to 128x1', schemeOf(), schemeOf({ tile: [128, 1] })],
    ['128x128 to 1x128, divided', schemeOf({ tile: [128, 128], recipe: 'divide' }), schemeOf({ recipe: 'divide' })],
    [
      '128x128 to 128x1 e5m2',
      schemeOf({ tile: [128, 128] }),
      schemeOf({ tile: [128, 1], format: 'e5m2', type: 'e8m0' }),
    ],
  ])('%s', async (_, scheme, to) => {
    for (const content of ['normal', 'bits'] as const) {
      const spec = requantizeSpec(200, 259, scheme, to);
      expect(await againstReference(spec, quantized(200, 259, scheme, content)), content).toEqual([]);
      expect(await againstReference(spec, { x: matrix(200, 259, 'bf16', content, 9) }), content).toEqual([]);
    }
  });
});

describeGpu('splitting changes nothing', () => {
  const small = { maxBindingBytes: 4096 };

  it.each(tiles)('quantize by tiles [%i, %i] in bands of a few rows', async (...tile) => {
    const scheme = schemeOf({
      tile: tile as unknown as readonly [number, number],
      recipe: 'divide',
      rounding: 'stochastic',
      seed: 3,
    });
    const inputs = { x: matrix(150, 201, 'bf16', 'normal', 2) };
    expect(await againstReference(quantizeSpec(150, 201, scheme), inputs, small)).toEqual([]);
  });

  it('nvfp4, dequantize and requantize in bands of a few rows', async () => {
    const nvfp4 = schemeOf({ format: 'e2m1', tile: [1, 16], recipe: 'nvfp4', type: 'e4m3', amaxFloor: 0 });
    const x = matrix(90, 203, 'bf16', 'normal', 2);
    expect(await againstReference(quantizeSpec(90, 203, nvfp4), { x }, small)).toEqual([]);
    expect(await againstReference(dequantizeSpec(90, 203, schemeOf(), 'f16'), { x }, small)).toEqual([]);
    const there = requantizeSpec(90, 203, schemeOf(), schemeOf({ tile: [128, 1] }));
    expect(await againstReference(there, { x }, small)).toEqual([]);
  });

  it('a row that does not fit is refused with its size', async () => {
    const x = matrix(1, 4000, 'bf16');
    await expect(runOnGpu(quantizeSpec(1, 4000, schemeOf()), { x }, small)).rejects.toMatchObject({
      code: 'row-too-large',
    });
  });
});

describeGpu('the fast tier', () => {
  it('gives the same codes for power-of-two scales of ordinary values', async () => {
    const spec = quantizeSpec(64, 512, schemeOf());
    const inputs = { x: matrix(64, 512, 'bf16') };
    expect(mismatches(await runOnGpu(spec, inputs, {}, 'fast'), kernelOf(spec).reference(spec, inputs))).toEqual([]);
  });
});
