import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TensorCoreModel } from '../../src/numerics/arithmetic.ts';
import { bitsOf, fmaF32, fromBits } from '../../src/numerics/f32.ts';
import { alignedStep, blockSum, operandTable, stepIndices } from '../../src/numerics/tensor-core.ts';
import { recorded } from '../helpers/recorded.ts';

const hopper: TensorCoreModel = {
  name: 'hopper-wgmma-fp8',
  kind: 'aligned',
  fractionBits: 13,
  terms: 32,
  output: 'e8m13',
  order: 'linear',
};
const ada: TensorCoreModel = { ...hopper, name: 'ada-mma-fp8', terms: 16 };
const blackwell: TensorCoreModel = { ...hopper, name: 'blackwell-fp8', fractionBits: 25, output: 'f32-rz' };
const exact: TensorCoreModel = { ...hopper, name: 'exact', kind: 'exact' };

/** A step on one row, starting from c, in as many fused sums as the model needs. */
function dot(
  model: TensorCoreModel,
  format: 'e4m3' | 'e5m2',
  a: Uint8Array,
  b: Uint8Array,
  row: number,
  c: number,
): number {
  const table = operandTable(format);
  const left = { codes: a, offset: 32 * row };
  const right = { codes: b, offset: 32 * row };
  let sum = c;
  for (const indices of stepIndices(model, 32)) {
    sum = alignedStep(model, table, table, left, right, indices, indices.length, sum);
  }
  return bitsOf(sum);
}

describe('real tensor cores', () => {
  for (const [device, model] of [
    ['h100', hopper],
    ['l40s', ada],
  ] as const) {
    for (const format of ['e4m3', 'e5m2'] as const) {
      it(`the ${model.name} model gives the bits that a ${device} returned for 2,500 ${format} dot products`, () => {
        const { a, b, c, d } = recorded(device, format);
        const differing = Array.from(d).filter(
          (bits, row) => dot(model, format, a, b, row, c === undefined ? 0 : fromBits(c[row]!)) !== bits,
        );
        expect(d.length).toBe(2500);
        expect(differing).toEqual([]);
      });
    }
  }

  it('a block sum from zero is the same step as the recorded H100 one', () => {
    const { a, b, d } = recorded('h100', 'e4m3');
    const sum = blockSum(hopper, 'e4m3', 'e4m3');
    const bits = Array.from(d, (_, row) =>
      bitsOf(sum({ codes: a, offset: 32 * row }, { codes: b, offset: 32 * row }, 32)),
    );
    expect(bits).toEqual(Array.from(d));
  });

  it.each([
    ['12 fraction bits', { ...hopper, fractionBits: 12 }],
    ['14 fraction bits', { ...hopper, fractionBits: 14 }],
    ['two sums of 16', { ...hopper, terms: 16 }],
    ['no cut of the output', { ...hopper, output: 'f32-rz' as const }],
  ])('%s does not give the H100 bits', (_, wrong) => {
    const { a, b, d } = recorded('h100', 'e4m3');
    expect(Array.from(d).some((bits, row) => dot(wrong, 'e4m3', a, b, row, 0) !== bits)).toBe(true);
  });
});

describe('golden steps of the Hopper model', () => {
  const step = (a: Record<number, number>, b: Record<number, number>, c: number): number => {
    const codes = (sparse: Record<number, number>): Uint8Array =>
      Uint8Array.from({ length: 32 }, (_, i) => sparse[i] ?? 0);
    return dot(hopper, 'e4m3', codes(a), codes(b), 0, fromBits(c));
  };
  const all = (code: number): Record<number, number> =>
    Object.fromEntries(Array.from({ length: 32 }, (_, i) => [i, code]));

  it.each([
    ['32 ones', all(0x38), all(0x38), 0, 0x42000000],
    ['C is cut to 13 fraction bits', {}, {}, 0x3f800200, 0x3f800000],
    ['C keeps its 13th bit', {}, {}, 0x3f8007ff, 0x3f800400],
    ['C is truncated toward zero', {}, {}, 0xc0490fdb, 0xc0490c00],
    ['C below the alignment window is lost', { 0: 0x7e }, { 0: 0x7e }, 0x3f800000, 0x48440000],
    ['C inside the window is lost to the output cut', { 0: 0x7e }, { 0: 0x7e }, 0x41000000, 0x48440000],
    ['a negative C is truncated, not floored', { 0: 0x7e }, { 0: 0x7e }, 0xbf800000, 0x48440000],
    ['2^-4 vanishes beside 2^14', { 0: 0x74, 1: 0x74, 2: 0x28 }, { 0: 0x70, 1: 0xf0, 2: 0x28 }, 0, 0],
    ['2^1 survives beside 2^14', { 0: 0x74, 1: 0x74, 2: 0x38 }, { 0: 0x70, 1: 0xf0, 2: 0x40 }, 0, 0x40000000],
    ['2^0 vanishes beside 2^14', { 0: 0x74, 1: 0x74, 2: 0x38 }, { 0: 0x70, 1: 0xf0, 2: 0x38 }, 0, 0],
    ['the least product', { 0: 1 }, { 0: 1 }, 0, 0x36800000],
    ['subnormal beside normal', { 0: 1, 1: 8 }, { 0: 1, 1: 8 }, 0, 0x39820000],
    ['NaN is canonical', { 3: 0xff }, { 3: 0x38 }, 0, 0x7fffffff],
  ])('%s', (_, a, b, c, want) => {
    expect(step(a, b, c).toString(16)).toBe(want.toString(16));
  });

  it('mixed magnitudes and signs with an accumulator', () => {
    const a = Uint8Array.from({ length: 32 }, (_, i) => (37 * i + 11) % 127);
    const b = Uint8Array.from({ length: 32 }, (_, i) => ((53 * i + 5) % 127) | (i % 3 ? 0x80 : 0));
    expect(dot(hopper, 'e4m3', a, b, 0, fromBits(0x4145851f)).toString(16)).toBe('c5af4800');
  });

  it('the same with e5m2', () => {
    const a = Uint8Array.from({ length: 32 }, (_, i) => ((37 * i + 11) % 127) % 124);
    const b = Uint8Array.from({ length: 32 }, (_, i) => (((53 * i + 5) % 127) % 124) | (i % 3 ? 0x80 : 0));
    expect(dot(hopper, 'e5m2', a, b, 0, fromBits(0x4145851f)).toString(16)).toBe('ca250000');
  });
});

/** The same step in rationals: significands and exponents as BigInt, written without the tricks of the product's code. */
function rationalStep(model: TensorCoreModel, values: readonly [number, number, number, number][]): number {
  // Each entry: signed significand product, its weight exponent (of the last bit), the exponent it aligns with, unused.
  const nonzero = values.filter(([significand]) => significand !== 0);
  if (nonzero.length === 0) return 0;
  const largest = Math.max(...nonzero.map(([, , exponent]) => exponent));
  const last = largest - model.fractionBits;
  let sum = 0n;
  for (const [significand, weight] of nonzero) {
    const magnitude = BigInt(Math.abs(significand));
    const cut = weight >= last ? magnitude << BigInt(weight - last) : magnitude >> BigInt(last - weight);
    sum += significand < 0 ? -cut : cut;
  }
  if (sum === 0n) return 0;
  const magnitude = sum < 0n ? -sum : sum;
  const bits = magnitude.toString(2).length;
  const kept = model.output === 'e8m13' ? 14 : 24;
  const drop = Math.max(bits - kept, 0);
  const value = Number((magnitude >> BigInt(drop)) << BigInt(drop)) * 2 ** last;
  return sum < 0n ? -value : value;
}

describe('aligned steps', () => {
  const finiteE4m3 = fc.integer({ min: 0, max: 255 }).filter((code) => (code & 0x7f) !== 0x7f);
  const codes = fc.array(finiteE4m3, { minLength: 32, maxLength: 32 });

  it.each([hopper, ada, blackwell])('$name equals a rational computation', (model) => {
    const table = operandTable('e4m3');
    fc.assert(
      fc.property(codes, codes, (a, b) => {
        const left = { codes: a, offset: 0 };
        const right = { codes: b, offset: 0 };
        let mine = 0;
        let theirs = 0;
        for (const indices of stepIndices(model, 32)) {
          mine = alignedStep(model, table, table, left, right, indices, indices.length, mine);
          const terms = Array.from(indices, (i): [number, number, number, number] => {
            const exponent = table.exponent[a[i]!]! + table.exponent[b[i]!]!;
            return [table.significand[a[i]!]! * table.significand[b[i]!]!, exponent - 6, exponent, 0];
          });
          const exponent = theirs === 0 ? 0 : Math.floor(Math.log2(Math.abs(theirs)));
          terms.push([theirs * 2 ** (23 - exponent), exponent - 23, exponent, 0]);
          theirs = rationalStep(model, terms);
        }
        expect(bitsOf(mine)).toBe(bitsOf(theirs));
      }),
      { numRuns: 2000 },
    );
  });

  it('the narrow integer path equals the general one, NaN codes included', () => {
    const any = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 128, maxLength: 128 });
    for (const format of ['e4m3', 'e5m2'] as const) {
      const table = operandTable(format);
      const narrow = blockSum(hopper, format, format);
      fc.assert(
        fc.property(any, any, (a, b) => {
          let sum = 0;
          for (const indices of stepIndices(hopper, 128)) {
            sum = alignedStep(
              hopper,
              table,
              table,
              { codes: a, offset: 0 },
              { codes: b, offset: 0 },
              indices,
              indices.length,
              sum,
            );
          }
          expect(bitsOf(narrow({ codes: a, offset: 0 }, { codes: b, offset: 0 }, 128))).toBe(bitsOf(sum));
        }),
        { numRuns: 500 },
      );
    }
  });

  it('of every four k, the paired order takes two in each step', () => {
    const model: TensorCoreModel = { ...hopper, terms: 16, order: 'p4' };
    const [first, second] = stepIndices(model, 32);
    expect(Array.from(first!)).toEqual([0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29]);
    expect(Array.from(second!)).toEqual([2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31]);
  });
});

describe('exact and sequential sums', () => {
  const any = (length: number) => fc.array(fc.integer({ min: 0, max: 255 }), { minLength: length, maxLength: length });

  it('the exact sum of e5m2, 71 bits wide, is rounded once', () => {
    const sum = blockSum(exact, 'e5m2', 'e5m2');
    const { value } = operandTable('e5m2');
    fc.assert(
      fc.property(any(16), any(16), (a, b) => {
        const products = a.map((code, i) => value[code]! * value[b[i]!]!);
        const got = sum({ codes: a, offset: 0 }, { codes: b, offset: 0 }, 16);
        if (products.some((p) => !Number.isFinite(p))) {
          expect(bitsOf(got)).toBe(bitsOf(products.filter((p) => !Number.isFinite(p)).reduce((x, y) => x + y, 0)));
          return;
        }
        // The sum in units of 2^-32 is an integer; the nearest f32 is found among the neighbours of the f64 guess.
        const integer = products.reduce((x, p) => x + BigInt(p * 2 ** 32), 0n);
        const guess = Math.fround(Number(integer) * 2 ** -32);
        const distance = (x: number): bigint => {
          const d = BigInt(x * 2 ** 60) - (integer << 28n);
          return d < 0n ? -d : d;
        };
        const near = [guess, fromBits((bitsOf(guess) + 1) >>> 0), fromBits((bitsOf(guess) - 1) >>> 0)].filter(
          Number.isFinite,
        );
        for (const other of near) expect(distance(got) <= distance(other)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('a sequential sum is a chain of fused multiply-adds', () => {
    const sum = blockSum({ ...exact, kind: 'sequential' }, 'e4m3', 'e4m3');
    const { value } = operandTable('e4m3');
    fc.assert(
      fc.property(any(40), any(40), (a, b) => {
        const want = a.reduce((acc, code, i) => fmaF32(value[code]!, value[b[i]!]!, acc), 0);
        expect(bitsOf(sum({ codes: a, offset: 0 }, { codes: b, offset: 0 }, 40))).toBe(bitsOf(want));
      }),
    );
  });
});
