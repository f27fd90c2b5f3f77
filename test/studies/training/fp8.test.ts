import { describe, expect, it } from 'vitest';
import { createInlineReference } from '../../../src/backends/reference.ts';
import { gemm, type QuantizedMatrix } from '../../../src/kernels/arrays.ts';
import { dequantizeReference } from '../../../src/kernels/dequantize/reference.ts';
import { quantizeWords } from '../../../src/kernels/quantize/reference.ts';
import { arithmeticPresets, schemePresets } from '../../../src/specs/presets.ts';
import { dequantizeMatrix, fp8Precision, type Operand, quantizeMatrix } from '../../../src/studies/training/fp8.ts';
import { type Matrix, roundToBf16, transpose } from '../../../src/studies/training/matrix.ts';
import { type Parameter, plainPrecision, type Site } from '../../../src/studies/training/precision.ts';
import { backendProduct, hostProduct } from '../../../src/studies/training/products.ts';
import { type Ablations, deepseekV3 } from '../../../src/studies/training/recipe.ts';

/** Even draws times a power of two that differs from row to row: tiles with scales of their own. */
function random(rows: number, columns: number, seed: number, exponent = 0): Matrix {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  const values = Float32Array.from({ length: rows * columns }, (_, i) => {
    return next() * 2 ** (exponent + (Math.floor(i / columns) % 5));
  });
  return { rows, columns, values };
}

const parameter = (x: Matrix): Parameter => ({
  ...x,
  name: 'w',
  gradient: new Float32Array(x.values.length),
  decays: true,
});

const none: Ablations = { noPromotion: false, blockwiseGradients: false, perTensor: false };

/** Energy of the error over that of the expected values. */
function noise(actual: Matrix, expected: Matrix): number {
  let [errors, energy] = [0, 0];
  for (let i = 0; i < actual.values.length; i++) {
    errors += (actual.values[i]! - expected.values[i]!) ** 2;
    energy += expected.values[i]! ** 2;
  }
  return errors / energy;
}

const words = ({ values }: Matrix): Uint32Array => new Uint32Array(values.buffer);

describe('operands of the training study', () => {
  const schemes = {
    ...schemePresets,
    unfloored: {
      ...schemePresets['activation-1x128'],
      scale: { ...schemePresets['activation-1x128'].scale, amaxFloor: 0 },
    },
    e5m6: { ...schemePresets['activation-1x128-pow2'], format: 'e5m6' as const },
  };
  const names = ['activation-1x128', 'weight-128x128', 'per-tensor', 'per-token', 'unfloored', 'e5m6'] as const;

  it.each(names)('%s: codes, scales and values of the reference, ragged edges and zero tiles too', (name) => {
    const scheme = schemes[name];
    const x = random(150, 200, 5, -20);
    x.values.fill(0, 3 * 200, 4 * 200);
    const operand = quantizeMatrix(x, scheme);
    const expected = quantizeWords(words(x), 150, 200, scheme);
    expect({ codes: operand.codes, scales: operand.scales }).toEqual(expected);
    const { codes } = dequantizeReference(expected, scheme, 'f32');
    expect(words(dequantizeMatrix(operand))).toEqual(codes);
  });

  it('gemm specs on a backend give the bits of the gemm they say', async () => {
    const a = quantizeMatrix(random(5, 200, 1), schemePresets['activation-1x128']);
    const b = quantizeMatrix(random(130, 200, 2), schemePresets['weight-128x128']);
    const arithmetic = arithmeticPresets['hopper-deepgemm'];
    const product = await backendProduct(createInlineReference('test'), arithmetic, 'exact')(a, b);
    expect([product.rows, product.columns]).toEqual([5, 130]);
    const asQuantized = (operand: Operand): QuantizedMatrix => operand;
    expect(product.values).toEqual(gemm(asQuantized(a), asQuantized(b), { arithmetic }));
    expect(noise(await hostProduct()(a, b), product)).toBeLessThan(1e-6);
  });
});

describe('linear layers in FP8', () => {
  const [x, w, dy] = [roundToBf16(random(70, 256, 1)), random(160, 256, 2, -6), roundToBf16(random(70, 160, 3, -16))];
  const sites: readonly Site[] = ['attention-in', 'attention-out', 'expert-up', 'expert-down'];
  const bf16 = plainPrecision('bf16');

  async function pass(ablations: Ablations, site: Site) {
    const precision = fp8Precision(deepseekV3(ablations), hostProduct());
    const weight = parameter(w);
    const { y, kept } = await precision.fprop(site, x, weight);
    const dx = await precision.backward(site, dy, weight, kept);
    return { y, dx, dw: { ...w, values: weight.gradient } };
  }

  async function exact(site: Site) {
    const weight = parameter(w);
    const { y, kept } = await bf16.fprop(site, x, weight);
    const dx = await bf16.backward(site, dy, weight, kept);
    return { y, dx, dw: { ...w, values: weight.gradient } };
  }

  it.each(sites)('%s: fprop, dgrad and wgrad are those of bf16 with the noise of two e4m3 operands', async (site) => {
    const [fp8, high] = [await pass(none, site), await exact(site)];
    for (const [actual, expected] of [
      [fp8.y, high.y],
      [fp8.dx, high.dx],
      [fp8.dw, high.dw],
    ] as const) {
      // A 3-bit mantissa has a noise of about 2^-11 an operand; requantization adds another.
      expect(noise(actual, expected)).toBeGreaterThan(2 ** -13);
      expect(noise(actual, expected)).toBeLessThan(2 ** -8.5);
    }
  });

  it('a square-tiled weight is turned without being quantized again', () => {
    const scheme = schemePresets['weight-128x128'];
    const turned = quantizeMatrix(transpose(w), scheme);
    expect(words(dequantizeMatrix(turned))).toEqual(words(transpose(dequantizeMatrix(quantizeMatrix(w, scheme)))));
  });

  it('block-wise gradients change dgrad alone', async () => {
    const [usual, blocks] = [
      await pass(none, 'attention-in'),
      await pass({ ...none, blockwiseGradients: true }, 'attention-in'),
    ];
    expect(blocks.y.values).toEqual(usual.y.values);
    expect(blocks.dw.values).toEqual(usual.dw.values);
    expect(blocks.dx.values).not.toEqual(usual.dx.values);
  });

  it('one scale a tensor loses a token that is far smaller than the others, 1x128 does not', async () => {
    const uneven = { ...x, values: x.values.map((value, i) => (i < 256 ? value * 2 ** -20 : value)) };
    const first = async (ablations: Ablations): Promise<Matrix> => {
      const { y } = await fp8Precision(deepseekV3(ablations), hostProduct()).fprop('expert-up', uneven, parameter(w));
      return { rows: 1, columns: 160, values: y.values.subarray(0, 160) };
    };
    const { y } = await bf16.fprop('expert-up', uneven, parameter(w));
    const expected: Matrix = { rows: 1, columns: 160, values: y.values.subarray(0, 160) };
    expect(noise(await first(none), expected)).toBeLessThan(0.01);
    expect(noise(await first({ ...none, perTensor: true }), expected)).toBe(1);
  });

  it('without promotion scales are one a row and the sums are not promoted', () => {
    const recipe = deepseekV3({ ...none, noPromotion: true });
    expect(recipe.arithmetic.promoteEvery).toBe(0);
    for (const scheme of [recipe.activation['attention-in'], recipe.weight, recipe.gradient['expert-up'], recipe.wgrad])
      expect(scheme.tile).toEqual([1, 0]);
  });

  it('gradients far below the floor of inference kernels are not lost', async () => {
    const precision = fp8Precision(deepseekV3(none), hostProduct());
    const tiny = { ...dy, values: dy.values.map((value) => value * 2 ** -30) };
    const weight = parameter(w);
    const { kept } = await precision.fprop('attention-in', x, weight);
    const dx = await precision.backward('attention-in', tiny, weight, kept);
    const usual = await pass(none, 'attention-in');
    const scaled = { ...dx, values: dx.values.map((value) => value * 2 ** 30) };
    expect(noise(scaled, usual.dx)).toBeLessThan(1e-5);
  });
});
