import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import {
  addBits,
  addF32,
  bitsOf,
  divBits,
  divF32,
  fmaBits,
  fmaF32,
  fromBits,
  INF_BITS,
  mulBits,
  mulF32,
  NAN_BITS,
  roundToF32,
} from '../../src/numerics/f32.ts';
import { add, exactOf, multiply, nearestBits } from './exact.ts';
import { edges, f32Bits, nudge } from './operands.ts';

// Each sweeps many inputs: on a busy machine the default of five seconds is too short.
vi.setConfig({ testTimeout: 120_000 });

const isFinite32 = (bits: number): boolean => (bits & 0x7fffffff) < INF_BITS;
const isZero = (bits: number): boolean => (bits & 0x7fffffff) === 0;
const finite = f32Bits.filter(isFinite32);
const finiteEdges = edges.filter(isFinite32);
const runs = { numRuns: 20_000 };

/** What an exact sum or product that is not zero rounds to; zeros are IEEE's rule of signs, tested apart. */
function expectNearest(actual: number, exact: ReturnType<typeof exactOf>): void {
  if (exact.integer !== 0n) expect(actual).toBe(nearestBits(exact));
}

describe('bits and values', () => {
  test('are each other’s inverse for every bit pattern but NaN, which becomes canonical', () => {
    fc.assert(
      fc.property(f32Bits, (bits) => {
        expect(bitsOf(fromBits(bits))).toBe((bits & 0x7fffffff) > INF_BITS ? NAN_BITS : bits);
      }),
      runs,
    );
  });

  test('of a double are those of the nearest f32', () => {
    expect(bitsOf(0.1)).toBe(0x3dcccccd);
    expect(bitsOf(-0)).toBe(0x80000000);
    expect(bitsOf(1e39)).toBe(INF_BITS);
    expect(bitsOf(2 ** -150)).toBe(0);
    expect(bitsOf(2 ** -150 * 1.5)).toBe(1);
    expect(roundToF32(1 + 2 ** -24)).toBe(1);
  });
});

describe('each operation is the exact result rounded once, subnormals and overflow included', () => {
  test('add', () => {
    const check = (a: number, b: number): void => expectNearest(addBits(a, b), add(exactOf(a), exactOf(b)));
    for (const a of finiteEdges) for (const b of finiteEdges) check(a, b);
    fc.assert(fc.property(finite, finite, check), runs);
  });

  test('mul', () => {
    const check = (a: number, b: number): void => expectNearest(mulBits(a, b), multiply(exactOf(a), exactOf(b)));
    for (const a of finiteEdges) for (const b of finiteEdges) check(a, b);
    fc.assert(fc.property(finite, finite, check), runs);
  });

  test('div', () => {
    const check = (a: number, b: number): void => {
      if (isZero(a) || isZero(b)) return;
      const divisor = exactOf(b);
      const sign = divisor.integer < 0n ? -1n : 1n;
      const dividend = { ...exactOf(a), integer: exactOf(a).integer * sign };
      expect(divBits(a, b)).toBe(nearestBits(dividend, { ...divisor, integer: divisor.integer * sign }));
    };
    for (const a of finiteEdges) for (const b of finiteEdges) check(a, b);
    fc.assert(fc.property(finite, finite, check), runs);
  });

  test('fma', () => {
    const check = (a: number, b: number, c: number): void =>
      expectNearest(fmaBits(a, b, c), add(multiply(exactOf(a), exactOf(b)), exactOf(c)));
    const some = finiteEdges.filter((_, i) => i % 3 === 0);
    for (const a of some) for (const b of some) for (const c of some) check(a, b, c);
    fc.assert(fc.property(finite, finite, finite, check), runs);
  });

  test('fma where the addend nearly cancels the product, or lies at a midpoint of it', () => {
    fc.assert(
      fc.property(
        finite,
        finite,
        fc.integer({ min: -4, max: 4 }),
        fc.integer({ min: 0, max: 30 }),
        (a, b, steps, down) => {
          const product = mulBits(a, b);
          const near = nudge((product ^ 0x80000000) >>> 0, steps - down * 2 ** 23);
          if (!isFinite32(product) || !isFinite32(near)) return;
          expectNearest(fmaBits(a, b, near), add(multiply(exactOf(a), exactOf(b)), exactOf(near)));
        },
      ),
      runs,
    );
  });
});

describe('special values', () => {
  const one = 0x3f800000;
  const minus = 0x80000000;
  test.each([
    ['NaN + 1', addBits(0xffc00000, one), NAN_BITS],
    ['Inf - Inf', addBits(INF_BITS, INF_BITS + minus), NAN_BITS],
    ['0 * Inf', mulBits(0, INF_BITS), NAN_BITS],
    ['0 / 0', divBits(0, minus), NAN_BITS],
    ['Inf / Inf', divBits(INF_BITS, INF_BITS), NAN_BITS],
    ['1 / -0', divBits(one, minus), INF_BITS + minus],
    ['1 / -Inf', divBits(one, INF_BITS + minus), minus],
    ['fma(0, Inf, 1)', fmaBits(0, INF_BITS, one), NAN_BITS],
    ['fma(Inf, 1, -Inf)', fmaBits(INF_BITS, one, INF_BITS + minus), NAN_BITS],
    ['fma(1, 1, -Inf)', fmaBits(one, one, INF_BITS + minus), INF_BITS + minus],
    ['0 + -0', addBits(0, minus), 0],
    ['-0 + -0', addBits(minus, minus), minus],
    ['1 - 1', addBits(one, one + minus), 0],
    ['fma(-0, 1, -0)', fmaBits(minus, one, minus), minus],
    ['fma(-0, 1, 0)', fmaBits(minus, one, 0), 0],
    ['fma(1, 1, -1)', fmaBits(one, one, one + minus), 0],
  ])('%s', (_, actual, expected) => expect(actual).toBe(expected));
});

test('operations on numbers and on bits agree', () => {
  fc.assert(
    fc.property(f32Bits, f32Bits, f32Bits, (a, b, c) => {
      const [x, y, z] = [fromBits(a), fromBits(b), fromBits(c)];
      expect(bitsOf(addF32(x, y))).toBe(addBits(a, b));
      expect(bitsOf(mulF32(x, y))).toBe(mulBits(a, b));
      expect(bitsOf(divF32(x, y))).toBe(divBits(a, b));
      expect(bitsOf(fmaF32(x, y, z))).toBe(fmaBits(a, b, c));
    }),
  );
});
