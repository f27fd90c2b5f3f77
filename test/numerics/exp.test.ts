import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  expBits,
  log1pBits,
  type PinnedFunction,
  pinnedFunctions,
  sigmoidBits,
  softplusBits,
  sqrtBits,
} from '../../src/numerics/exp.ts';
import { bitsOf, fromBits } from '../../src/numerics/f32.ts';

/** The same functions in doubles, whose error is a millionth of an f32's last place. */
const doubles: Readonly<Record<PinnedFunction, (x: number) => number>> = {
  exp: Math.exp,
  sigmoid: (x) => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x))),
  log1p: Math.log1p,
  softplus: (x) => (x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x))),
  sqrt: Math.sqrt,
};

/** Distance from the true value in units of the true value's last place. */
function errorInUlp(bits: number, exact: number): number {
  const magnitude = Math.min(Math.max(Math.abs(exact), 2 ** -126), 2 ** 127);
  let exponent = Math.floor(Math.log2(magnitude));
  if (2 ** exponent > magnitude) exponent--;
  const clip = (x: number): number => Math.max(-(2 ** 128), Math.min(2 ** 128, x));
  return Math.abs(clip(fromBits(bits)) - clip(exact)) / 2 ** (exponent - 23);
}

const pattern = fc.integer({ min: 0, max: 0xffffffff });
/** Finite numbers where the functions turn, as often as all others. */
const argument = fc.oneof(
  pattern,
  fc.float({ min: -128, max: 128, noNaN: true }).map(bitsOf),
  fc.float({ min: Math.fround(-1.5), max: Math.fround(1.5), noNaN: true }).map(bitsOf),
);

describe('the pinned functions', () => {
  const names = Object.keys(pinnedFunctions) as PinnedFunction[];

  it.each(names)('%s is within 0.6 ULP of the true value, and NaN where there is none', (name) => {
    fc.assert(
      fc.property(argument, (bits) => {
        const exact = doubles[name](fromBits(bits));
        const result = pinnedFunctions[name](bits);
        if (Number.isNaN(exact)) expect(result).toBe(0x7fffffff);
        else expect(errorInUlp(result, exact)).toBeLessThan(0.6);
      }),
      { numRuns: 20_000 },
    );
  });

  it('exp and sigmoid never decrease, from one pattern to the next as far apart', () => {
    fc.assert(
      fc.property(argument, fc.integer({ min: 1, max: 1000 }), (bits, step) => {
        const [x, y] = [fromBits(bits), fromBits((bits + step) >>> 0)];
        if (Number.isNaN(x) || Number.isNaN(y)) return;
        const [low, high] = x <= y ? [x, y] : [y, x];
        for (const f of [expBits, sigmoidBits]) expect(f(bitsOf(low))).toBeLessThanOrEqual(f(bitsOf(high)));
      }),
      { numRuns: 20_000 },
    );
  });

  it('sigmoid is 1/2 at both zeros, 1 and +0 far out', () => {
    for (const [x, want] of [
      [0, 0.5],
      [-0, 0.5],
      [200, 1],
      [-200, 0],
      [Number.POSITIVE_INFINITY, 1],
      [Number.NEGATIVE_INFINITY, 0],
    ] as const) {
      expect(sigmoidBits(bitsOf(x))).toBe(bitsOf(want));
    }
  });

  it('exp reaches Inf past the largest f32 and +0 below half the least', () => {
    expect(expBits(0x42b17217)).toBe(0x7f7fff84);
    expect(expBits(0x42b17218)).toBe(0x7f800000);
    expect(expBits(bitsOf(-103.9))).toBe(1);
    expect(expBits(bitsOf(-104))).toBe(0);
    expect(expBits(bitsOf(0))).toBe(bitsOf(1));
  });

  it('log1p is -Inf at -1, NaN below, and keeps zeros with their signs', () => {
    expect(log1pBits(bitsOf(-1))).toBe(0xff800000);
    expect(log1pBits(bitsOf(-1.0000001))).toBe(0x7fffffff);
    for (const zero of [0, 0x80000000]) expect(log1pBits(zero)).toBe(zero);
    expect(log1pBits(0x7f800000)).toBe(0x7f800000);
  });

  it('softplus is its argument past 20, and +0 far below', () => {
    expect(softplusBits(bitsOf(20.5))).toBe(bitsOf(20.5));
    expect(softplusBits(0xff800000)).toBe(0);
    expect(softplusBits(0x7f800000)).toBe(0x7f800000);
  });

  it('sqrt squares back to within half a place, keeps -0, and is NaN below', () => {
    expect(sqrtBits(0x80000000)).toBe(0x80000000);
    expect(sqrtBits(bitsOf(-1))).toBe(0x7fffffff);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0x7f7fffff }), (bits) => {
        // The root's neighbours' midpoints, squared exactly: an f32 and a half has 25 bits.
        const root = sqrtBits(bits);
        const middle = (a: number, b: number): number => (fromBits(a) + fromBits(b)) / 2;
        expect(middle(root - 1, root) ** 2).toBeLessThanOrEqual(fromBits(bits));
        expect(middle(root, root + 1) ** 2).toBeGreaterThanOrEqual(fromBits(bits));
      }),
    );
  });
});
