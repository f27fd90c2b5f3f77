import { expect, it } from 'vitest';
import { formatConstants, overflowNumber, roundingNumber, scaleRule } from '../../src/kernels/constants.ts';
import { decodeBits, encodeFormats, encodeScaledBits, roundings } from '../../src/numerics/codec.ts';
import { addBits, bitsOf, divBits, fmaBits, mulBits } from '../../src/numerics/f32.ts';
import { type FormatName, formats, type Overflow } from '../../src/numerics/formats.ts';
import { philox4x32, philoxWord } from '../../src/numerics/philox.ts';
import { type Factor, powerOfTwoRecipes, tensorScaleBits, tileScale } from '../../src/numerics/scale.ts';
import { type ScaleRecipe, type Scheme, scaleRecipes } from '../../src/numerics/scheme.ts';
import { describeGpu } from '../helpers/gpu.ts';
import { differences, mapOnGpu, numericsConstants, plainScheme } from '../helpers/shader.ts';

const names = Object.keys(formats) as FormatName[];

/** Deterministic random words for samples. */
function words(seed: number, count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, i) => philoxWord(seed, i, 7));
}

/** f32 bits around everything that decides a format's rounding: codes, midpoints, their neighbours, both signs, specials. */
function boundaries(name: FormatName): number[] {
  const format = formats[name];
  const magnitudes = new Set<number>([0, 1, 0x7fffff, 0x800000, 0x7f7fffff, 0x7f800000, 0x7f800001, 0x7fffffff]);
  const step = Math.max(Math.floor(format.maxCode / 512), 1);
  for (let code = 0; code <= format.maxCode; code += step) {
    const low = decodeBits(code, format);
    const high = code < format.maxCode ? decodeBits(code + 1, format) : low;
    const middle = Math.floor((low + high) / 2);
    for (const bits of [low, middle]) for (let d = -2; d <= 2; d++) magnitudes.add(Math.max(bits + d, 0));
  }
  const past = bitsOf(format.max);
  for (let d = 0; d < 24; d++) for (const e of [-1, 0, 1]) magnitudes.add(Math.min(past + 2 ** d + e, 0x7fffffff));
  return [...magnitudes].flatMap((bits) => [bits, (bits | 0x80000000) >>> 0]);
}

describeGpu('WGSL decodes as TypeScript does', () => {
  it.each(names.filter((name) => formats[name].bits <= 16))('every code of %s', async (name) => {
    const codes = Uint32Array.from({ length: 2 ** formats[name].bits }, (_, i) => i);
    const got = await mapOnGpu('numerics', 'decode_each', numericsConstants(name), codes, codes.length, 1);
    expect(
      differences(
        got,
        codes.map((code) => decodeBits(code, formats[name])),
      ),
    ).toEqual([]);
  });
});

describeGpu('WGSL reads and writes lanes of wide formats as TypeScript does', () => {
  const place = (name: FormatName, i: number): number => (formats[name].bits === 32 ? 0 : 16 * (i % 2));

  it.each(['bf16', 'f16', 'f32'] as const)('values of %s', async (name) => {
    const halves = Uint32Array.from({ length: 2 ** 16 }, (_, i) => i);
    const codes = name === 'f32' ? Uint32Array.from([...boundaries(name), ...words(2, 20_000)]) : halves;
    const input = name === 'f32' ? codes : new Uint32Array(Uint16Array.from(codes).buffer);
    const got = await mapOnGpu('numerics', 'widen_each', numericsConstants(name), input, codes.length, 1);
    const want = codes.map((code) => decodeBits(code, formats[name]));
    expect(differences(got, want)).toEqual([]);
  });

  it.each(['bf16', 'f16', 'f32'] as const)('codes of %s', async (name) => {
    // Twice, for each value to stand in either half of a word.
    const input = Uint32Array.from([
      ...boundaries(name),
      ...words(3, 20_001),
      ...boundaries(name),
      ...words(3, 20_001),
    ]);
    const got = await mapOnGpu('numerics', 'narrow_each', numericsConstants(name), input, input.length, 1);
    const want = input.map(
      (bits, i) => encodeScaledBits(bits, 0, formats[name], 'nearest-even', 'ieee') << place(name, i),
    );
    expect(differences(got, want)).toEqual([]);
  });
});

describeGpu('WGSL encodes as TypeScript does', () => {
  it.each(encodeFormats)('%s: every rounding and overflow, at all boundaries and on random words', async (name) => {
    const input = Uint32Array.from([...boundaries(name), ...words(1, 20_000)]);
    const overflows: Overflow[] = formats[name].specials === 'finite' ? ['saturate'] : ['saturate', 'ieee'];
    for (const rounding of roundings) {
      for (const overflow of overflows) {
        for (const exponent of [0, -3, 5, -140, 200]) {
          const uniforms = [roundingNumber(rounding), overflowNumber(overflow), exponent >>> 0, 11];
          const got = await mapOnGpu(
            'numerics',
            'encode_each',
            numericsConstants(name),
            input,
            input.length,
            1,
            uniforms,
          );
          const want = input.map((bits, i) => {
            const random = rounding === 'stochastic' ? philoxWord(11, i, 1) : 0;
            return encodeScaledBits(bits, exponent, formats[name], rounding, overflow, random);
          });
          expect(differences(got, want), `${rounding} ${overflow} 2^${exponent}`).toEqual([]);
        }
      }
    }
  });

  it.each(['e4m3', 'e5m2', 'e5m6', 'e2m1'] as const)('%s: all 65,536 bf16 values', async (name) => {
    const input = Uint32Array.from({ length: 65536 }, (_, i) => i * 65536);
    for (const rounding of roundings.filter((mode) => mode !== 'stochastic')) {
      const uniforms = [roundingNumber(rounding), 0, 0, 0];
      const got = await mapOnGpu('numerics', 'encode_each', numericsConstants(name), input, input.length, 1, uniforms);
      const want = input.map((bits) => encodeScaledBits(bits, 0, formats[name], rounding, 'saturate'));
      expect(differences(got, want), rounding).toEqual([]);
    }
  });
});

/** Triples of operands: random, and built to cancel, to tie, to underflow, to overflow. */
function operands(): Uint32Array {
  const random = words(2, 90_000);
  const special = [
    0, 1, 2, 0x400000, 0x7fffff, 0x800000, 0x800001, 0x3f7fffff, 0x3f800000, 0x3f800001, 0x40000000, 0x7f000000,
    0x7f7fffff, 0x7f800000, 0x7fc00001, 0x33800000, 0x34000000, 0x0b800000,
  ].flatMap((bits) => [bits, (bits | 0x80000000) >>> 0]);
  const triples: number[] = Array.from(random);
  for (const a of special) for (const b of special) for (const c of special) triples.push(a, b, c);
  for (let i = 0; i < 30_000; i++) {
    const [a, b, d] = [random[3 * i]!, random[3 * i + 1]!, random[3 * i + 2]!];
    // c next to -(a * b): what is left after cancellation is the low half of the product.
    const product = mulBits(a, b);
    triples.push(a, b, ((product ^ 0x80000000) + (d % 5) - 2) >>> 0);
    // Exponents close together, mantissas dense in ones or zeros.
    triples.push((a & 0x81ffffff) | 0x3e000000, (b & 0x80000fff) | 0x3ffff000, ((d & 0x83ffffff) | 0x3c000000) >>> 0);
    // Results around the subnormal border.
    triples.push(((a & 0x80ffffff) | 0x1f000000) >>> 0, ((b & 0x80ffffff) | 0x20000000) >>> 0, (d & 0x80ffffff) >>> 0);
  }
  return Uint32Array.from(triples, (bits) => bits >>> 0);
}

describeGpu('WGSL computes on bits as IEEE arithmetic does', () => {
  it('add, mul, div and fma on random, cancelling, subnormal and special operands', async () => {
    const input = operands();
    const count = input.length / 3;
    const got = await mapOnGpu('numerics', 'arithmetic_each', numericsConstants('e4m3'), input, count, 4);
    const want = new Uint32Array(4 * count);
    for (let i = 0; i < count; i++) {
      const [a, b, c] = input.subarray(3 * i, 3 * i + 3) as unknown as [number, number, number];
      want.set([addBits(a, b), mulBits(a, b), divBits(a, b), fmaBits(a, b, c)], 4 * i);
    }
    expect(count).toBeGreaterThan(150_000);
    expect(differences(got, want)).toEqual([]);
  });

  it('four lanes at once give what they give alone, whatever their neighbours are', async () => {
    const all = operands();
    const count = Math.floor(all.length / 12);
    const got = await mapOnGpu('numerics', 'arithmetic_of_four', numericsConstants('e4m3'), all, count, 12);
    const want = new Uint32Array(12 * count);
    for (let i = 0; i < 4 * count; i++) {
      const [a, b, c] = all.subarray(3 * i, 3 * i + 3) as unknown as [number, number, number];
      const at = 12 * (i >> 2) + (i & 3);
      want[at] = addBits(a, b);
      want[at + 4] = mulBits(a, b);
      want[at + 8] = fmaBits(a, b, c);
    }
    expect(differences(got, want)).toEqual([]);
  });
});

describeGpu('WGSL Philox', () => {
  it('gives the known answers of Random123 and the words of the TypeScript twin', async () => {
    const known = Uint32Array.of(
      ...[0, 0, 0, 0, 0, 0],
      ...[0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      ...[0xa4093822, 0x299f31d0, 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    );
    const input = Uint32Array.of(...known, ...words(3, 600));
    const got = await mapOnGpu('numerics', 'philox_each', numericsConstants('e4m3'), input, 103, 4);
    expect(Array.from(got.subarray(0, 12), (word) => word.toString(16))).toEqual(
      '6627e8d5 e169c58d bc57ac4c 9b00dbd8 408f276d 41c83b0e a20bc7c6 6d5451fd d16cfe09 94fdcceb 5001e420 24126ea1'.split(
        ' ',
      ),
    );
    const want = new Uint32Array(412);
    for (let i = 0; i < 103; i++) {
      const [k0, k1, c0, c1, c2, c3] = Array.from(input.subarray(6 * i, 6 * i + 6)) as [
        number,
        number,
        number,
        number,
        number,
        number,
      ];
      want.set(philox4x32(k0, k1, c0, c1, c2, c3), 4 * i);
    }
    expect(differences(got, want)).toEqual([]);
  });
});

const recipeFormats: readonly FormatName[] = ['e4m3', 'e5m2', 'e5m6', 'e2m1', 'e2m3', 'e3m2'];
const recipes: readonly ScaleRecipe[] = scaleRecipes;

/** The factor word of WGSL for a factor of the twin. */
function factorWord(factor: Factor): number {
  switch (factor.kind) {
    case 'shift':
      return factor.exponent >>> 0;
    case 'none':
      return 0x3f800000;
    case 'nan':
      return 0x7fffffff;
    default:
      return factor.bits;
  }
}

describeGpu('WGSL makes scales as TypeScript does', () => {
  it.each(recipes)('%s: all bf16 amaxes and random ones, every scale type that fits', async (recipe) => {
    const amaxes = [
      ...Array.from({ length: 32768 }, (_, i) => i * 65536),
      ...Array.from(words(4, 8000), (w) => w & 0x7fffffff),
    ];
    for (const bits of [0x43e00000, 0x3f800000, 0x00400000]) for (let d = -3; d <= 3; d++) amaxes.push(bits + d);
    const tensorScales = [
      0x3f800000,
      bitsOf(0.037),
      tensorScaleBits(0x00001000),
      tensorScaleBits(0x7f7fffff),
      0x7fffffff,
    ];
    const input = Uint32Array.from(
      amaxes.flatMap((amax, i) => [amax, recipe === 'nvfp4' ? tensorScales[i % 5]! : 0x3f800000]),
    );
    const types = powerOfTwoRecipes.has(recipe)
      ? (['e8m0', 'f32'] as const)
      : recipe === 'nvfp4'
        ? (['e4m3'] as const)
        : (['f32'] as const);
    for (const format of recipeFormats) {
      for (const type of types) {
        for (const amaxFloor of [0, 1e-4]) {
          const scheme: Scheme = { ...plainScheme, format, scale: { ...plainScheme.scale, type, recipe, amaxFloor } };
          const uniforms = [0, 0, 0, 0, 0, 0, 0, ...scaleRule(scheme)];
          const constants = numericsConstants(format);
          const got = await mapOnGpu('numerics', 'scale_each', constants, input, amaxes.length, 2, uniforms);
          const want = new Uint32Array(input.length);
          for (let i = 0; i < amaxes.length; i++) {
            const { stored, factor } = tileScale(input[2 * i]!, scheme, input[2 * i + 1]!);
            want.set([stored, factorWord(factor)], 2 * i);
          }
          expect(differences(got, want), `${format} ${type} ${amaxFloor}`).toEqual([]);
        }
      }
    }
  });

  it('the constants of a format are those of the twin', () => {
    expect(formatConstants('X', 'e4m3')).toMatchObject({
      X_BITS: 8,
      X_BIAS: 7,
      X_MAX_CODE: 0x7e,
      X_INF_CODE: 0xffffffff,
    });
  });
});
