import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { addBits, divBits, fmaBits, mulBits } from '../../src/numerics/f32.ts';
import { philoxWords } from '../../src/numerics/philox.ts';
import { softAdd, softDiv, softFma, softMul } from '../../src/numerics/soft-float.ts';
import { edges, f32Bits, nudge } from './operands.ts';

// Each sweeps many inputs: on a busy machine the default of five seconds is too short.
vi.setConfig({ testTimeout: 120_000 });

const binary = [
  { name: 'add', soft: softAdd, exact: addBits },
  { name: 'mul', soft: softMul, exact: mulBits },
  { name: 'div', soft: softDiv, exact: divBits },
];

const RANDOM_CASES = 400_000;

describe.each(binary)('$name by u32 arithmetic equals the correctly rounded one', ({ soft, exact }) => {
  test('on every pair of edge values: zeros, subnormals, overflow, Inf, NaN, signs', () => {
    for (const a of edges) for (const b of edges) expect([a, b, soft(a, b)]).toEqual([a, b, exact(a, b)]);
  });

  test(`on ${RANDOM_CASES} random bit patterns`, () => {
    const words = new Uint32Array(2 * RANDOM_CASES);
    philoxWords(11, 0, 0, words);
    const wrong = [];
    for (let i = 0; i < words.length; i += 2) {
      const [a, b] = [words[i]!, words[i + 1]!];
      if (soft(a, b) !== exact(a, b)) wrong.push([a, b]);
    }
    expect(wrong).toEqual([]);
  });

  test('on sparse mantissas, ties and neighbours', () => {
    fc.assert(
      fc.property(f32Bits, f32Bits, (a, b) => {
        for (const near of [-1, 0, 1]) expect(soft(a, nudge(b, near))).toBe(exact(a, nudge(b, near)));
      }),
      { numRuns: 20_000 },
    );
  });
});

test('add by u32 arithmetic is right where the exponents lie close and the signs differ', () => {
  fc.assert(
    fc.property(f32Bits, fc.integer({ min: -(2 ** 25), max: 2 ** 25 }), (a, steps) => {
      const b = (nudge(a, steps) ^ 0x80000000) >>> 0;
      expect(softAdd(a, b)).toBe(addBits(a, b));
    }),
    { numRuns: 20_000 },
  );
});

test('div by u32 arithmetic is right where the quotient is subnormal', () => {
  const small = fc.integer({ min: 1, max: 0x0fffffff });
  const large = fc.integer({ min: 0x4c000000, max: 0x7f7fffff });
  fc.assert(
    fc.property(small, large, (a, b) => softDiv(a, b) === divBits(a, b)),
    { numRuns: 20_000 },
  );
});

describe('fma by u32 arithmetic equals the correctly rounded one', () => {
  test('on every triple of edge values', () => {
    const some = edges.filter((_, i) => i % 2 === (i >> 1) % 2);
    for (const a of some) {
      for (const b of some) {
        const wrong = some.filter((c) => softFma(a, b, c) !== fmaBits(a, b, c));
        expect([a, b, wrong]).toEqual([a, b, []]);
      }
    }
  });

  test(`on ${RANDOM_CASES} random triples with the addend at every distance from the product`, () => {
    const words = new Uint32Array(4 * RANDOM_CASES);
    philoxWords(12, 0, 0, words);
    const wrong = [];
    for (let i = 0; i < words.length; i += 4) {
      const [a, b, mantissa, draw] = [words[i]!, words[i + 1]!, words[i + 2]!, words[i + 3]!];
      const field = Math.min(Math.max(((mulBits(a, b) >>> 23) & 0xff) + (draw % 128) - 64, 0), 254);
      const c = ((mantissa & 0x807fffff) | (field << 23)) >>> 0;
      if (softFma(a, b, c) !== fmaBits(a, b, c)) wrong.push([a, b, c]);
    }
    expect(wrong).toEqual([]);
  });

  test('where the addend cancels the product but for a few codes', () => {
    fc.assert(
      fc.property(f32Bits, f32Bits, fc.integer({ min: -4, max: 4 }), (a, b, steps) => {
        const c = (nudge(mulBits(a, b), steps) ^ 0x80000000) >>> 0;
        expect(softFma(a, b, c)).toBe(fmaBits(a, b, c));
      }),
      { numRuns: 50_000 },
    );
  });

  test('on sparse mantissas and ties', () => {
    fc.assert(
      fc.property(f32Bits, f32Bits, f32Bits, (a, b, c) => softFma(a, b, c) === fmaBits(a, b, c)),
      { numRuns: 50_000 },
    );
  });
});
