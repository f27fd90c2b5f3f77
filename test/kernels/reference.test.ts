import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dequantizeReference } from '../../src/kernels/dequantize/reference.ts';
import { gemmReference } from '../../src/kernels/gemm/reference.ts';
import { quantizeReference } from '../../src/kernels/quantize/reference.ts';
import { requantizeReference } from '../../src/kernels/requantize/reference.ts';
import { loadScales, storeScales, tileGrid } from '../../src/kernels/tiles.ts';
import type { Arithmetic } from '../../src/numerics/arithmetic.ts';
import { decode, encode } from '../../src/numerics/codec.ts';
import { bitsOf, fmaF32, fromBits } from '../../src/numerics/f32.ts';
import type { Scheme } from '../../src/numerics/scheme.ts';
import type { GemmSpec } from '../../src/specs/types.ts';
import type { Tensor, Tensors } from '../../src/tensors/tensor.ts';

const pow2: Scheme = {
  format: 'e4m3',
  tile: [1, 128],
  scale: { type: 'f32', recipe: 'pow2', amaxFloor: 1e-4, layout: 'row-major' },
  rounding: 'nearest-even',
  overflow: 'saturate',
  seed: 0,
};

function matrix(rows: number, columns: number, value: (row: number, column: number) => number): Tensor {
  const codes = new Uint32Array(rows * columns);
  for (let i = 0; i < codes.length; i++) codes[i] = bitsOf(value(Math.floor(i / columns), i % columns));
  return { dtype: 'F32', shape: [rows, columns], codes };
}

/** Deterministic noise in [-1, 1). */
const noise = (row: number, column: number): number => {
  const x = Math.sin(row * 127.1 + column * 311.7) * 43758.5453;
  return 2 * (x - Math.floor(x)) - 1;
};

describe('quantize', () => {
  it('each tile has its own scale, and ragged tiles are cut', () => {
    const x = matrix(3, 130, (row, column) => 2 ** row * (column < 128 ? 1 : 4));
    const { codes, scales } = quantizeReference(x, pow2);
    expect(scales.shape).toEqual([3, 2]);
    expect(Array.from(scales.codes, fromBits)).toEqual([1 / 256, 1 / 64, 1 / 128, 1 / 32, 1 / 64, 1 / 16]);
    expect(new Set(decode(codes.codes, 'e4m3'))).toEqual(new Set([256]));
  });

  it.each([
    [
      [128, 128],
      [2, 2],
    ],
    [
      [128, 1],
      [2, 130],
    ],
    [
      [1, 0],
      [200, 1],
    ],
    [
      [0, 0],
      [1, 1],
    ],
    [
      [1, 32],
      [200, 5],
    ],
  ] as const)('tile %j of a [200, 130] matrix gives scales of shape %j', (tile, shape) => {
    const { scales } = quantizeReference(matrix(200, 130, noise), { ...pow2, tile });
    expect(scales.shape).toEqual(shape);
  });

  it('a tile with NaN or Inf is marked whole, and its neighbours are not', () => {
    const x = matrix(2, 256, (row, column) => (row === 0 && column === 3 ? Number.POSITIVE_INFINITY : 1));
    const { codes, scales } = quantizeReference(x, pow2);
    expect(scales.codes[0]).toBe(0x7fffffff);
    expect(new Set(codes.codes.slice(0, 128))).toEqual(new Set([0x7f]));
    expect(new Set(codes.codes.slice(128))).toEqual(new Set([0x78]));
  });

  it('dequantizing is within half a code step of the value for power-of-two scales', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ noNaN: true, min: -1000, max: 1000 }), { minLength: 1, maxLength: 200 }),
        (values) => {
          const x = matrix(1, values.length, (_, column) => values[column]!);
          const quantized = quantizeReference(x, pow2);
          const back = dequantizeReference(quantized, pow2, 'f32');
          for (let i = 0; i < values.length; i++) {
            const scale = fromBits(quantized.scales.codes[Math.floor(i / 128)]!);
            const error = Math.abs(fromBits(back.codes[i]!) - Math.fround(values[i]!));
            expect(error).toBeLessThanOrEqual(Math.max(Math.abs(values[i]!) / 16, scale * 2 ** -10) * (1 + 1e-6));
          }
        },
      ),
    );
  });
});

describe('scale layouts', () => {
  it('mn-major and packed exponents hold the same scales as row-major', () => {
    const x = matrix(7, 700, (row, column) => noise(row, column) * 2 ** (column / 64));
    for (const layout of ['mn-major', 'packed-e8m0'] as const) {
      const type = layout === 'packed-e8m0' ? 'e8m0' : 'f32';
      const plain: Scheme = { ...pow2, scale: { ...pow2.scale, type } };
      const laid: Scheme = { ...plain, scale: { ...plain.scale, layout } };
      const want = quantizeReference(x, plain);
      const got = quantizeReference(x, laid);
      const grid = tileGrid(7, 700, laid);
      expect(Array.from(loadScales(got.scales, grid, laid))).toEqual(Array.from(want.scales.codes));
      expect(got.scales.shape).toEqual(layout === 'mn-major' ? [6, 8] : [2, 8]);
    }
  });

  it('a packed word holds four exponents of one row, the lowest k in the low byte', () => {
    const scheme: Scheme = { ...pow2, scale: { ...pow2.scale, type: 'e8m0', layout: 'packed-e8m0' } };
    const stored = storeScales(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10), tileGrid(2, 640, scheme), scheme);
    expect(Array.from(stored.codes, (word) => word.toString(16))).toEqual([
      '4030201',
      '9080706',
      '0',
      '0',
      '5',
      'a',
      '0',
      '0',
    ]);
  });
});

describe('requantize', () => {
  const channel: Scheme = { ...pow2, tile: [128, 1] };

  it('with power-of-two scales, values that e4m3 still reaches do not change', () => {
    const x = matrix(256, 256, (row, column) => noise(row, column) + Math.sign(noise(row, column)));
    const from = quantizeReference(x, pow2);
    const to = requantizeReference(from, pow2, channel);
    expect(dequantizeReference(to, channel, 'f32').codes).toEqual(dequantizeReference(from, pow2, 'f32').codes);
    expect(to.scales.shape).toEqual([2, 256]);
  });
});

const deepgemm: Arithmetic = {
  model: { name: 'hopper-wgmma-fp8', kind: 'aligned', fractionBits: 13, terms: 32, output: 'e8m13', order: 'linear' },
  promoteEvery: 128,
  combine: 'scales-first',
  promote: 'fused',
};

function gemmSpec(m: number, n: number, k: number, change: Partial<GemmSpec> = {}): GemmSpec {
  const input = { generate: 'zero', seed: 0, dtype: 'f32', exponent: 0, share: 0, factorExponent: 0 } as const;
  return {
    fp8lab: 1,
    kernel: 'gemm',
    name: 'test',
    description: '',
    large: false,
    shape: { m, n, k },
    a: { scheme: pow2, input },
    b: { scheme: { ...pow2, tile: [128, 128] }, input },
    arithmetic: deepgemm,
    output: 'f32',
    ...change,
  };
}

describe('gemm', () => {
  const a = matrix(5, 300, noise);
  const b = matrix(6, 300, (row, column) => noise(row + 50, column));

  it('the exact model equals the product of the dequantized operands, block by block in fma', () => {
    const spec = gemmSpec(5, 6, 300, { arithmetic: { ...deepgemm, model: { ...deepgemm.model, kind: 'exact' } } });
    const d = gemmReference(spec, { a, b });
    const qa = quantizeReference(a, spec.a.scheme);
    const qb = quantizeReference(b, spec.b.scheme);
    const va = decode(qa.codes.codes, 'e4m3');
    const vb = decode(qb.codes.codes, 'e4m3');
    for (let m = 0; m < 5; m++) {
      for (let n = 0; n < 6; n++) {
        let sum = 0;
        for (let block = 0; block < 3; block++) {
          let partial = 0;
          for (let k = 128 * block; k < Math.min(128 * block + 128, 300); k++)
            partial += va[m * 300 + k]! * vb[n * 300 + k]!;
          const scale = Math.fround(fromBits(qa.scales.codes[m * 3 + block]!) * fromBits(qb.scales.codes[block]!));
          sum = fmaF32(scale, Math.fround(partial), sum);
        }
        expect(d.codes[m * 6 + n]).toBe(bitsOf(sum));
      }
    }
  });

  it('a result depends on its own row of A and row of B alone', () => {
    const whole = gemmReference(gemmSpec(5, 6, 300), { a, b });
    const row = (x: Tensor, i: number): Tensor => ({
      ...x,
      shape: [1, 300],
      codes: x.codes.slice(300 * i, 300 * i + 300),
    });
    const alone = gemmReference(gemmSpec(1, 6, 300), { a: row(a, 3), b });
    expect(alone.codes).toEqual(whole.codes.slice(18, 24));
  });

  it('C is added last, in one rounding', () => {
    const c = matrix(5, 6, () => 2 ** 20);
    const plain = gemmReference(gemmSpec(5, 6, 300), { a, b });
    const added = gemmReference(gemmSpec(5, 6, 300), { a, b, c });
    expect(Array.from(added.codes, fromBits)).toEqual(
      Array.from(plain.codes, (bits) => Math.fround(2 ** 20 + fromBits(bits))),
    );
  });

  it('missing promotion shows on positive data', () => {
    const positive = matrix(2, 4096, (row, column) => (noise(row, column) + 1) / 2);
    const tensor: Scheme = { ...pow2, tile: [0, 0] };
    const spec = (promoteEvery: number): GemmSpec =>
      gemmSpec(2, 2, 4096, {
        a: { scheme: tensor },
        b: { scheme: tensor },
        arithmetic: { ...deepgemm, promoteEvery },
      });
    const inputs = { a: positive, b: positive };
    const with128 = fromBits(gemmReference(spec(128), inputs).codes[1]!);
    const without = fromBits(gemmReference(spec(0), inputs).codes[1]!);
    // N 2.8: unpromoted sums of positive data lose several per cent at K = 4096, promoted ones stay within 0.1 %.
    expect(1 - without / with128).toBeGreaterThan(0.03);
    expect(1 - without / with128).toBeLessThan(0.15);
  });

  it('codes with scales give the same bits as the operands they came from', () => {
    const spec = gemmSpec(5, 6, 300);
    const qa = quantizeReference(a, spec.a.scheme);
    const qb = quantizeReference(b, spec.b.scheme);
    const inputs = { a: qa.codes, a_scales: qa.scales, b: qb.codes, b_scales: qb.scales };
    expect(gemmReference(spec, inputs).codes).toEqual(gemmReference(spec, { a, b }).codes);
    // The same bits of another dtype would be other numbers.
    const halves = { ...qa.scales, dtype: 'BF16' } as const;
    const e5m2 = { ...qb.codes, dtype: 'F8_E5M2' } as const;
    const wrongs: Tensors[] = [{ a_scales: halves }, { b: e5m2 }, { a_tensor_scale: halves }];
    for (const wrong of wrongs) {
      expect(() => gemmReference(spec, { ...inputs, ...wrong })).toThrow(
        expect.objectContaining({ code: 'wrong-dtype', where: Object.keys(wrong)[0] }),
      );
    }
  });

  it('a NaN in a row of A marks that row of D and no other', () => {
    const spoilt = { ...a, codes: a.codes.slice() };
    spoilt.codes[2 * 300 + 140] = 0x7fc00000;
    const d = gemmReference(gemmSpec(5, 6, 300, { output: 'bf16' }), { a: spoilt, b });
    const nan = Array.from(d.codes, (code, i) => (code === 0x7fff ? Math.floor(i / 6) : -1)).filter((row) => row >= 0);
    expect(nan).toEqual([2, 2, 2, 2, 2, 2]);
  });

  it('bf16 output is the f32 result rounded once', () => {
    const wide = gemmReference(gemmSpec(5, 6, 300), { a, b });
    const bf16 = gemmReference(gemmSpec(5, 6, 300, { output: 'bf16' }), { a, b });
    expect(bf16.codes).toEqual(encode(Float32Array.from(wide.codes, fromBits), 'bf16', { overflow: 'ieee' }));
  });
});
