import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import {
  decode,
  decodeBits,
  decodeTable,
  encode,
  encodeBits,
  encodeFormats,
  encodeLanes,
  encodeScaledBits,
  isInfCode,
  isNanCode,
  roundings,
} from '../../src/numerics/codec.ts';
import { bitsOf, fromBits, INF_BITS, NAN_BITS } from '../../src/numerics/f32.ts';
import { type FormatName, formats, type Overflow, type Rounding } from '../../src/numerics/formats.ts';
import { philoxWord, philoxWords } from '../../src/numerics/philox.ts';
import { edges, f32Bits, nudge } from './operands.ts';
import { magnitudes, searchCode } from './search.ts';

// Each sweeps many inputs: on a busy machine the default of five seconds is too short.
vi.setConfig({ testTimeout: 120_000 });

type Deterministic = Exclude<Rounding, 'stochastic'>;

const deterministic = roundings.filter((rounding): rounding is Deterministic => rounding !== 'stochastic');
const small = encodeFormats.filter((name) => formats[name].bits <= 16);
const overflowsOf = (name: FormatName): Overflow[] =>
  formats[name].specials === 'finite' ? ['saturate'] : ['saturate', 'ieee'];
/** Every pair of a format's overflow rules and deterministic roundings. */
const modesOf = (name: FormatName): { overflow: Overflow; rounding: Deterministic }[] =>
  overflowsOf(name).flatMap((overflow) => deterministic.map((rounding) => ({ overflow, rounding })));

/** Inputs whose code differs from the one that the search finds, at most a few. */
function differences(name: FormatName, overflow: Overflow, rounding: Deterministic, inputs: Uint32Array): string[] {
  const format = formats[name];
  const values = magnitudes(format);
  const found: string[] = [];
  for (const bits of inputs) {
    const expected = searchCode(fromBits(bits), format, values, rounding, overflow);
    const actual = encodeBits(bits, format, rounding, overflow);
    if (actual !== expected) found.push(`${bits.toString(16)}: ${actual.toString(16)}, not ${expected.toString(16)}`);
    if (found.length === 5) break;
  }
  return found;
}

const allBf16 = Uint32Array.from({ length: 2 ** 16 }, (_, i) => i << 16);
const allF16 = decodeTable(formats.f16);

/** f32 bits at every code, at every midpoint of two neighbouring codes and at the first overflow, each with its neighbours, both signs. */
function turningPoints(name: FormatName): Uint32Array {
  const values = magnitudes(formats[name]);
  const points = new Set<number>([0, 1, INF_BITS - 1, INF_BITS, INF_BITS + 1, NAN_BITS]);
  for (let i = 0; i < values.length; i++) {
    const below = i === 0 ? 0 : values[i - 1]!;
    for (const point of [values[i]!, (values[i]! + below) / 2]) {
      for (const step of [-1, 0, 1]) points.add(nudge(bitsOf(point), step));
    }
  }
  return Uint32Array.from([...points].flatMap((bits) => [bits, (bits | 0x80000000) >>> 0]));
}

describe.each(small)('%s', (name) => {
  const format = formats[name];

  test('decodes every code and encodes it back', () => {
    const wrong = [];
    for (let code = 0; code < 2 ** format.bits; code++) {
      const bits = decodeBits(code, format);
      if (isNanCode(code, format)) {
        if (bits !== NAN_BITS || encodeBits(bits, format, 'nearest-even', 'saturate') !== format.nanCode)
          wrong.push(code);
      } else {
        const overflow = isInfCode(code, format) ? 'ieee' : 'saturate';
        for (const rounding of roundings) {
          if (encodeBits(bits, format, rounding, overflow, 0xffffffff) !== code) wrong.push([code, rounding]);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  test('is what a search among all values finds, for every bf16 input in every mode', () => {
    for (const { overflow, rounding } of modesOf(name)) {
      expect([overflow, rounding, differences(name, overflow, rounding, allBf16)]).toEqual([overflow, rounding, []]);
    }
  });

  test('is what a search among all values finds, for every f16 input in every mode', () => {
    for (const { overflow, rounding } of modesOf(name)) {
      expect([overflow, rounding, differences(name, overflow, rounding, allF16)]).toEqual([overflow, rounding, []]);
    }
  });

  test('turns at every code and midpoint exactly, in every mode', () => {
    const points = turningPoints(name);
    for (const { overflow, rounding } of modesOf(name)) {
      expect([overflow, rounding, differences(name, overflow, rounding, points)]).toEqual([overflow, rounding, []]);
    }
  });

  test('encodes whole arrays to the same codes as one value at a time', () => {
    const words = new Uint32Array(30_000);
    philoxWords(3, 0, 0, words);
    const inputs = Uint32Array.from([...words, ...turningPoints(name).slice(0, 30_000)]);
    for (const overflow of overflowsOf(name)) {
      for (const rounding of roundings) {
        const lanes = encodeLanes(inputs, format, rounding, overflow, 9, 5);
        const wrong = inputs.filter(
          (bits, i) => lanes[i] !== encodeBits(bits, format, rounding, overflow, philoxWord(9, 5 + i, 1)),
        );
        expect([overflow, rounding, wrong.length]).toEqual([overflow, rounding, 0]);
      }
    }
  });

  test('takes a power of two into account before its one rounding', () => {
    const values = magnitudes(format);
    const exponents = fc.oneof(fc.integer({ min: -300, max: 300 }), fc.constantFrom(-(2 ** 29), 2 ** 29));
    const mode = fc.constantFrom(...modesOf(name));
    fc.assert(
      fc.property(f32Bits, exponents, mode, (bits, exponent, { rounding, overflow }) => {
        // Past 2^700 the double would overflow; a value that far out does not tell 2^700 from more.
        const scaled = fromBits(bits) * 2 ** Math.min(Math.max(exponent, -700), 700);
        const expected = searchCode(scaled, format, values, rounding, overflow);
        expect(encodeScaledBits(bits, exponent, format, rounding, overflow)).toBe(expected);
      }),
      { numRuns: 3000 },
    );
  });
});

describe('f32', () => {
  const f32 = formats.f32;

  test('copies every finite number, makes NaN canonical, and saturates Inf', () => {
    fc.assert(
      fc.property(f32Bits, (bits) => {
        const magnitude = bits & 0x7fffffff;
        const sign = bits - magnitude;
        const expected = magnitude > INF_BITS ? NAN_BITS : magnitude === INF_BITS ? sign + f32.maxCode : bits;
        expect(encodeBits(bits, f32, 'nearest-even', 'saturate')).toBe(expected >>> 0);
        expect(decodeBits(bits, f32)).toBe(magnitude > INF_BITS ? NAN_BITS : bits);
      }),
      { numRuns: 5000 },
    );
  });

  test('encodes whole arrays to the same codes as one value at a time', () => {
    const words = new Uint32Array(20_000);
    philoxWords(4, 0, 0, words);
    const inputs = Uint32Array.from([...words, ...edges]);
    for (const overflow of overflowsOf('f32')) {
      for (const rounding of roundings) {
        const expected = inputs.map((bits) => encodeBits(bits, f32, rounding, overflow));
        expect(encodeLanes(inputs, f32, rounding, overflow)).toEqual(expected);
      }
    }
  });

  test('scaled by a power of two is the product rounded once, nearest even', () => {
    fc.assert(
      fc.property(f32Bits, fc.integer({ min: -280, max: 280 }), (bits, exponent) => {
        const expected = bitsOf(fromBits(bits) * 2 ** exponent);
        expect(encodeScaledBits(bits, exponent, f32, 'nearest-even', 'ieee')).toBe(expected);
      }),
      { numRuns: 20_000 },
    );
  });
});

describe('stochastic rounding', () => {
  const oneAndAQuarterStep = 1 + 0.125 / 4;

  test('goes up for exactly its share of the random words where the step is cut in 2^20', () => {
    // rem / 2^shift = 1/4: of the words' top 20 bits, those of at least 3/4 carry.
    const bits = bitsOf(oneAndAQuarterStep);
    const up = (random: number): boolean => encodeBits(bits, formats.e4m3, 'stochastic', 'saturate', random) === 0x39;
    expect([0, 0xbfffffff, 0xc0000000, 0xffffffff].map(up)).toEqual([false, false, true, true]);
  });

  test('has the exact probability for every 8-bit draw of every remainder of a coarse value', () => {
    // A remainder of r / 2^8 of a step (bf16 mantissa against e2m1: 6 bits of it cut) is met by 2^-8 of the draws each.
    for (let mantissa = 0; mantissa < 128; mantissa++) {
      const bits = (0x3f800000 | (mantissa << 16)) >>> 0;
      let ups = 0;
      for (let draw = 0; draw < 256; draw++) {
        const code = encodeBits(bits, formats.e2m1, 'stochastic', 'saturate', (draw << 24) >>> 0);
        ups += code - (mantissa < 64 ? 2 : 3);
      }
      expect([mantissa, ups]).toEqual([mantissa, (mantissa % 64) * 4]);
    }
  });

  test('below half the least code goes up by a 24-bit draw', () => {
    // 2^-9 is the least e4m3 code; 2^-12 is an eighth of it.
    const up = (random: number): number => encodeBits(bitsOf(2 ** -12), formats.e4m3, 'stochastic', 'saturate', random);
    const eighth = 2 ** 21;
    expect([0, (eighth - 1) * 256 + 255, eighth * 256, 0xffffffff].map(up)).toEqual([1, 1, 0, 0]);
    const never = encodeBits(1, formats.e4m3, 'stochastic', 'saturate', 0);
    expect(never).toBe(0);
  });

  test('mirrors in the sign', () => {
    fc.assert(
      fc.property(f32Bits, fc.integer({ min: 0, max: 0xffffffff }), (bits, random) => {
        const magnitude = bits & 0x7fffffff;
        if (magnitude > INF_BITS) return;
        const [plus, minus] = [magnitude, (magnitude | 0x80000000) >>> 0].map((x) =>
          encodeBits(x, formats.e5m2, 'stochastic', 'ieee', random),
        );
        expect(minus).toBe(plus! + 0x80);
      }),
    );
  });

  test.each([1.05, 1.1, 0.003, 0.0007, 300.7, 447])('has no bias at %f (4 sigma)', (x) => {
    const count = 100_000;
    const codes = encode(new Float32Array(count).fill(x), 'e4m3', { rounding: 'stochastic', seed: 5 });
    const values = decode(codes, 'e4m3');
    const [low, high] = [Math.min(...new Set(values)), Math.max(...new Set(values))];
    const share = (Math.fround(x) - low) / (high - low);
    const mean = values.reduce((sum, value) => sum + value, 0) / count;
    const sigma = (high - low) * Math.sqrt((share * (1 - share)) / count);
    expect(high).toBeGreaterThan(low);
    expect(Math.abs(mean - Math.fround(x))).toBeLessThan(4 * sigma);
  });

  test('depends on the seed and the index alone', () => {
    const values = Float32Array.from({ length: 100 }, (_, i) => 1 + i / 1000);
    const whole = encode(values, 'e4m3', { rounding: 'stochastic', seed: 1 });
    expect(encode(values, 'e4m3', { rounding: 'stochastic', seed: 1 })).toEqual(whole);
    expect(encode(values, 'e4m3', { rounding: 'stochastic', seed: 2 })).not.toEqual(whole);
    expect(encode(values.subarray(0, 37), 'e4m3', { rounding: 'stochastic', seed: 1 })).toEqual(whole.slice(0, 37));
  });
});

describe('overflow', () => {
  const code = (x: number, name: FormatName, overflow: Overflow, rounding: Rounding = 'nearest-even'): number =>
    encodeBits(bitsOf(x), formats[name], rounding, overflow);

  test.each<[number, FormatName, Overflow, number]>([
    [464, 'e4m3', 'saturate', 0x7e],
    [464, 'e4m3', 'ieee', 0x7e],
    [465, 'e4m3', 'saturate', 0x7e],
    [465, 'e4m3', 'ieee', 0x7f],
    [-465, 'e4m3', 'ieee', 0xff],
    [-Infinity, 'e4m3', 'saturate', 0xfe],
    [-Infinity, 'e4m3', 'ieee', 0xff],
    [Number.NaN, 'e4m3', 'ieee', 0x7f],
    [61439, 'e5m2', 'ieee', 0x7b],
    [61440, 'e5m2', 'ieee', 0x7c],
    [61440, 'e5m2', 'saturate', 0x7b],
    [-Infinity, 'e5m2', 'ieee', 0xfc],
    [Number.NaN, 'e5m2', 'saturate', 0x7f],
    [Number.NaN, 'e2m1', 'saturate', 0x7],
    [-100, 'e2m1', 'saturate', 0xf],
    [Number.NaN, 'e3m2', 'saturate', 0x1f],
    [-Infinity, 'e2m3', 'saturate', 0x3f],
    [Infinity, 'e8m0', 'saturate', 0xfe],
    [Infinity, 'e8m0', 'ieee', 0xff],
    [0, 'e8m0', 'saturate', 0],
    [-4, 'e8m0', 'saturate', 129],
    [Infinity, 'bf16', 'saturate', 0x7f7f],
    [65520, 'f16', 'ieee', 0x7c00],
  ])('%f as %s with %s is the code %d', (x, name, overflow, expected) => {
    expect(code(x, name, overflow)).toBe(expected);
  });

  test('stops at the largest code where the rounding cannot reach infinity', () => {
    for (const rounding of ['toward-zero', 'toward-negative', 'to-odd'] as const) {
      expect(code(1e30, 'e4m3', 'ieee', rounding)).toBe(0x7e);
      expect(code(1e30, 'e5m2', 'ieee', rounding)).toBe(0x7b);
    }
    expect(code(-1e30, 'e5m2', 'ieee', 'toward-positive')).toBe(0xfb);
    expect(code(-1e30, 'e5m2', 'ieee', 'toward-negative')).toBe(0xfc);
  });
});

describe('decoding', () => {
  test('the fnuz pair has one zero, NaN at 0x80, and no Inf', () => {
    for (const name of ['e4m3fnuz', 'e5m2fnuz'] as const) {
      const format = formats[name];
      expect(decodeBits(0x80, format)).toBe(NAN_BITS);
      expect(fromBits(decodeBits(0x7f, format))).toBe(format.max);
      expect(fromBits(decodeBits(0xff, format))).toBe(-format.max);
      expect(fromBits(decodeBits(1, format))).toBe(format.minSubnormal);
      expect(fromBits(decodeBits(1 << format.mantissaBits, format))).toBe(format.minNormal);
    }
  });

  test('every finite code is its fields’ value, by the definition of a format', () => {
    for (const name of Object.keys(formats) as FormatName[]) {
      const format = formats[name];
      if (format.bits > 16) continue;
      const wrong = [];
      for (let code = 0; code < 2 ** format.bits; code++) {
        if (isNanCode(code, format) || isInfCode(code, format)) continue;
        const magnitude = format.signBits === 1 ? code % 2 ** (format.bits - 1) : code;
        const field = Math.floor(magnitude / 2 ** format.mantissaBits);
        const fraction = (magnitude % 2 ** format.mantissaBits) / 2 ** format.mantissaBits;
        const hasSubnormals = format.specials !== 'scale';
        const value =
          hasSubnormals && field === 0
            ? fraction * 2 ** (1 - format.bias)
            : (1 + fraction) * 2 ** (field - format.bias);
        const expected = magnitude === code ? value : -value;
        if (!Object.is(fromBits(decodeBits(code, format)), expected)) wrong.push(code);
      }
      expect([name, wrong]).toEqual([name, []]);
    }
  });

  test('refuses lanes that are no codes', () => {
    expect(() => decode(Uint8Array.of(3, 16), 'e2m1')).toThrow(expect.objectContaining({ code: 'bad-code' }));
  });
});

describe('arguments', () => {
  const values = Float32Array.of(1);
  test.each([
    ['unknown-format', () => encode(values, 'e9m9' as FormatName)],
    ['unknown-format', () => decode(Uint8Array.of(1), 'toString' as FormatName)],
    ['decode-only-format', () => encode(values, 'e4m3fnuz')],
    ['unsupported-overflow', () => encode(values, 'e2m1', { overflow: 'ieee' })],
    ['unknown-overflow', () => encode(values, 'e4m3', { overflow: 'wrap' as Overflow })],
    ['unknown-rounding', () => encode(values, 'e4m3', { rounding: 'up' as Rounding })],
    ['bad-values', () => encode([1, 2] as unknown as Float32Array, 'e4m3')],
    ['bad-seed', () => encode(values, 'e4m3', { rounding: 'stochastic', seed: -1 })],
    ['bad-seed', () => encode(values, 'e4m3', { rounding: 'stochastic', seed: 1.5 })],
  ])('are refused as %s', (code, act) => {
    expect(act).toThrow(expect.objectContaining({ name: 'Fp8labError', code }));
  });

  test('a view of a larger buffer is read at its offset', () => {
    const whole = Float32Array.of(9, 1, 2);
    expect([...encode(whole.subarray(1), 'e4m3')]).toEqual([0x38, 0x40]);
  });
});
