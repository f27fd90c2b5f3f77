import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { decode, encodeBits } from '../../src/numerics/codec.ts';
import { bitsOf } from '../../src/numerics/f32.ts';
import { type FormatName, formats } from '../../src/numerics/formats.ts';
import { philoxWord } from '../../src/numerics/philox.ts';
import type { GeneratedInput, GeneratorName } from '../../src/specs/types.ts';
import { generate, generateRows } from '../../src/tensors/generate.ts';
import { allocateCodes, dtypeOfFormat } from '../../src/tensors/tensor.ts';

// Each sweeps many inputs: on a busy machine the default of five seconds is too short.
vi.setConfig({ testTimeout: 120_000 });

const names: readonly GeneratorName[] = [
  'uniform',
  'positive',
  'normal',
  'outlier-channels',
  'outlier-tokens',
  'near-ties',
  'bits',
  'zero',
  'saturating',
  'subnormal',
];

const inputOf = (name: GeneratorName, more: Partial<GeneratedInput> = {}): GeneratedInput => ({
  generate: name,
  seed: 7,
  dtype: 'f32',
  exponent: 0,
  share: 0.25,
  factorExponent: 5,
  ...more,
});

/** The table of docs/numerics.md, an element at a time, in exact integers. */
function expectedCode(input: GeneratedInput, element: number, row: number, column: number): number {
  const word = (stream: number): number => philoxWord(input.seed, element, stream);
  const format = formats[input.dtype];
  const w0 = word(0);
  const fields = (exponentField: number): number =>
    ((w0 >>> 31) * 2 ** (format.exponentBits + format.mantissaBits) +
      exponentField * 2 ** format.mantissaBits +
      (w0 % 2 ** format.mantissaBits)) >>>
    0;
  const value = (integer: number, exponent: number): number => {
    const scaled = Math.fround(integer) * 2 ** (exponent + input.exponent);
    return encodeBits(bitsOf(Math.fround(scaled)), format, 'nearest-even', 'saturate');
  };
  const normal = (factor: number): number => {
    const halves = [0, 2, 3, 4].map(word).flatMap((w) => [w % 65536, Math.floor(w / 65536)]);
    const sum = halves.reduce((a, b) => a + b, 0);
    return value((sum - 262_144 + 4) * 1254, factor - 26);
  };
  const outlier = (line: number): number =>
    philoxWord(input.seed, line, 8) < input.share * 2 ** 32 ? input.factorExponent : 0;
  switch (input.generate) {
    case 'uniform':
      return value(Math.floor(w0 / 256) - 2 ** 23, -23);
    case 'positive':
      return value(Math.floor(w0 / 256), -24);
    case 'normal':
      return normal(0);
    case 'near-ties':
      return value((Math.floor(w0 / 2 ** 27) - 16) * 2 ** 19 + [-1, 0, 1, 0][w0 % 4]!, -22);
    case 'outlier-channels':
      return normal(outlier(column));
    case 'outlier-tokens':
      return normal(outlier(row));
    case 'bits':
      return Math.floor(w0 / 2 ** (32 - format.bits));
    case 'zero':
      return 0;
    case 'saturating': {
      const high = (w0 >>> 30) & 1;
      if (input.dtype === 'f16') return fields(29 + high);
      const word32 = ((w0 >>> 31) * 2 ** 31 + (253 + high) * 2 ** 23 + (w0 % 2 ** 23)) >>> 0;
      return input.dtype === 'bf16' ? word32 >>> 16 : word32;
    }
    case 'subnormal':
      return fields(0);
  }
}

describe.each(names)('%s', (name) => {
  test.each<FormatName>(['bf16', 'f16', 'f32'])(
    'is the documented table in %s, whatever seed, shape and exponent',
    (dtype) => {
      const shape = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }));
      const u32 = fc.integer({ min: 0, max: 0xffffffff });
      const exponent = fc.integer({ min: -160, max: 140 });
      const factorExponent = fc.integer({ min: -20, max: 20 });
      fc.assert(
        fc.property(shape, u32, exponent, factorExponent, (extents, seed, e, f) => {
          const input = inputOf(name, { dtype, seed, exponent: e, factorExponent: f });
          const { codes } = generate(input, extents);
          const columns = extents[1];
          const expected = Array.from(codes, (_, i) => expectedCode(input, i, Math.floor(i / columns), i % columns));
          expect([...codes]).toEqual(expected);
        }),
      );
    },
  );

  test('gives the same codes in bands of rows, past the chunk size too', () => {
    const shape = [41, 1000];
    const input = inputOf(name, { dtype: 'bf16' });
    const whole = generate(input, shape).codes;
    for (const [first, count] of [
      [0, 41],
      [3, 20],
      [37, 4],
      [40, 1],
    ] as const) {
      const band = generateRows(input, shape, first, count);
      expect(band.shape).toEqual([count, 1000]);
      expect(
        Buffer.compare(Buffer.from(band.codes), Buffer.from(whole.subarray(first * 1000, (first + count) * 1000))),
      ).toBe(0);
    }
  });

  test('counts the only extent of a vector as columns', () => {
    expect(generate(inputOf(name), [12]).codes).toEqual(generate(inputOf(name), [1, 12]).codes);
  });
});

test('normal has mean 0, standard deviation 0.9999, and stays within 4.9', () => {
  const count = 400_000;
  const values = decode(generate(inputOf('normal'), [count]).codes, 'f32');
  const mean = values.reduce((sum, x) => sum + x, 0) / count;
  const variance = values.reduce((sum, x) => sum + x * x, 0) / count;
  expect(Math.abs(mean)).toBeLessThan(4 / Math.sqrt(count));
  // The variance of x^2 is below 2 for a sum of eight uniforms.
  expect(Math.abs(variance - 0.9998)).toBeLessThan((4 * Math.sqrt(2)) / Math.sqrt(count));
  expect(values.reduce((most, x) => Math.max(most, Math.abs(x)), 0)).toBeLessThanOrEqual(4.9);
});

test('outliers take about their share of channels', () => {
  const channels = 20_000;
  const plain = decode(generate(inputOf('normal'), [channels]).codes, 'f32');
  const spiked = decode(generate(inputOf('outlier-channels'), [channels]).codes, 'f32');
  const raised = spiked.reduce((count, x, i) => count + (x === plain[i] ? 0 : 1), 0);
  expect(Math.abs(raised / channels - 0.25)).toBeLessThan(4 * Math.sqrt((0.25 * 0.75) / channels));
});

test('bits and zero give raw codes of every format; other generators refuse code formats', () => {
  for (const name of Object.keys(formats) as FormatName[]) {
    expect(generate(inputOf('zero', { dtype: name }), [3]).codes).toEqual(allocateCodes(dtypeOfFormat[name], 3));
    const { codes } = generate(inputOf('bits', { dtype: name }), [4096]);
    expect(codes.every((code) => code < 2 ** formats[name].bits)).toBe(true);
    expect(new Set(codes).size).toBeGreaterThan(Math.min(2 ** formats[name].bits, 256) / 2);
  }
  expect(() => generate(inputOf('normal', { dtype: 'e4m3' }), [4])).toThrow(
    expect.objectContaining({ code: 'unsupported-dtype' }),
  );
});
