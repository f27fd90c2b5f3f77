import { describe, expect, it } from 'vitest';
import { diagnose } from '../../src/diagnose/index.ts';
import { quantizedTensors, quantizeReference } from '../../src/kernels/quantize/reference.ts';
import { decodeBits, encodeBits } from '../../src/numerics/codec.ts';
import { bitsOf, fromBits } from '../../src/numerics/f32.ts';
import { formats } from '../../src/numerics/formats.ts';
import type { Tensor, Tensors } from '../../src/tensors/tensor.ts';
import { matrix, quantizeSpec, type SchemeFields, schemeOf } from '../helpers/specs.ts';

const rows = 64;
const columns = 512;
// A seed in which even the rules that part once in thousands of tiles do.
const x = matrix(rows, columns, 'bf16', 'normal', 3);
const budget = 120_000;

const actualOf = (fields: SchemeFields, of: Tensor = x): Tensors =>
  quantizedTensors(quantizeReference(of, schemeOf(fields)));

const found = (fields: SchemeFields, actual: Tensors, of: Tensor = x) =>
  diagnose(quantizeSpec(rows, columns, schemeOf(fields)), { x: of }, actual, { budget });

const divide: SchemeFields = { recipe: 'divide' };

describe('diagnose quantize', { timeout: 300_000 }, () => {
  it.each([
    ['the recipe of DeepGEMM', { recipe: 'reciprocal' }, { recipe: 'reciprocal' }],
    ['the recipe of TileKernels', { recipe: 'inverse' }, { recipe: 'inverse' }],
    ['the recipe of DeepEP', { recipe: 'deepep' }, { recipe: 'deepep' }],
    ['the recipe of DeepSeek-V3.2', { recipe: 'v32' }, { recipe: 'v32' }],
    ['the recipe of TransformerEngine', { recipe: 'te' }, { recipe: 'te' }],
    ['power-of-two scales', { recipe: 'pow2' }, { recipe: 'pow2' }],
    ['another tile', { recipe: 'divide', tile: [128, 128] }, { tile: '128x128' }],
    ['tiles turned', { recipe: 'divide', tile: [128, 1] }, { tile: '128x1' }],
    ['truncation', { recipe: 'divide', rounding: 'toward-zero' }, { rounding: 'toward-zero' }],
    ['ties away', { recipe: 'pow2', rounding: 'nearest-away' }, { recipe: 'pow2', rounding: 'nearest-away' }],
    ['the other format', { recipe: 'divide', format: 'e5m2' }, { format: 'e5m2' }],
    ['MX scales in tiles of 32', { recipe: 'mx-floor', tile: [1, 32] }, { recipe: 'mx-floor', tile: '1x32' }],
    ['scales column by column', { recipe: 'divide', layout: 'mn-major' }, { layout: 'mn-major' }],
    [
      'packed exponents',
      { recipe: 'pow2', type: 'e8m0', layout: 'packed-e8m0' },
      { recipe: 'pow2', layout: 'packed-e8m0' },
    ],
  ] as const)('names %s', (_, fields, expected) => {
    const answer = found(divide, actualOf(fields));
    expect(answer.verdict).toBe('explained');
    expect(answer.candidates[0]!.convention).toMatchObject(expected);
  });

  it('names an amax floor, where a tile comes near it', () => {
    const small: Tensor = { ...x, codes: x.codes.map((code, i) => (i % columns < 256 ? 0 : code)) as Tensor['codes'] };
    const answer = found(divide, actualOf({ ...divide, amaxFloor: 1e-10 }, small), small);
    expect(answer.candidates[0]!.convention).toMatchObject({ floor: '1e-10', recipe: 'divide' });
  });

  it('names a rounding to f16 before the cast', () => {
    const made = actualOf(divide);
    const scales = made.scales!.codes;
    const codes = Uint8Array.from(x.codes, (bits, i) => {
      const scale = fromBits(scales[Math.floor(i / columns) * (columns / 128) + Math.floor((i % columns) / 128)]!);
      const value = Math.fround(fromBits(decodeBits(bits, formats.bf16)) * Math.fround(1 / scale));
      const rounded = decodeBits(encodeBits(bitsOf(value), formats.f16, 'nearest-even', 'ieee'), formats.f16);
      return encodeBits(rounded, formats.e4m3, 'nearest-even', 'saturate');
    });
    const answer = found(divide, { codes: { ...made.codes!, codes }, scales: made.scales! });
    expect(answer.candidates[0]!.convention).toMatchObject({ recipe: 'f16-product' });
  });

  it('names a scale that is rounded after its use', () => {
    const made = actualOf(divide);
    const scales = {
      ...made.scales!,
      codes: made.scales!.codes.map((bits) => (bits & 0x7fffff ? ((bits >>> 23) + 1) << 23 : bits)) as Tensor['codes'],
    };
    const answer = found(divide, { codes: made.codes!, scales });
    expect(answer.candidates[0]!.convention).toMatchObject({ recipe: 'divide-then-pow2-up' });
  });

  it('names a stored inverse', () => {
    const made = actualOf(divide);
    const view = new Float32Array(made.scales!.codes.slice().buffer);
    const inverse = new Uint32Array(view.map((scale) => 1 / scale).buffer);
    const answer = found(divide, { codes: made.codes!, scales: { ...made.scales!, codes: inverse } });
    expect(answer.candidates[0]!.convention).toMatchObject({ recipe: 'inverse-stored-divide' });
  });

  it('names swapped nibbles', () => {
    const fields: SchemeFields = { format: 'e2m1', tile: [1, 32], recipe: 'mx-floor', type: 'e8m0', amaxFloor: 0 };
    const made = actualOf(fields);
    const codes = {
      ...made.codes!,
      codes: made.codes!.codes.map((_, i) => made.codes!.codes[i ^ 1]!) as Tensor['codes'],
    };
    const answer = found(fields, { codes, scales: made.scales! });
    expect(answer.candidates[0]!.convention).toMatchObject({ nibbles: 'high-first' });
    expect(answer.candidates[0]!.deviations).toHaveLength(1);
  });

  it('names transposed codes', () => {
    const made = actualOf(divide);
    const turned = made.codes!.codes.map(
      (_, i) => made.codes!.codes[(i % rows) * columns + Math.floor(i / rows)]!,
    ) as Tensor['codes'];
    const answer = found(divide, {
      codes: { ...made.codes!, shape: [columns, rows], codes: turned },
      scales: made.scales!,
    });
    expect(answer.candidates[0]!.convention).toMatchObject({ order: 'column-major' });
  });
});
