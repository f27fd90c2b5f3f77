import { expect, it } from 'vitest';
import { fmaBits, mulBits } from '../../src/numerics/f32.ts';
import { philoxWord } from '../../src/numerics/philox.ts';
import { describeGpu } from '../helpers/gpu.ts';
import { differences, mapOnGpu } from '../helpers/shader.ts';

const word = (i: number, stream: number): number => philoxWord(9, i, stream);

/** Bits of 2^e. */
const power = (e: number): number => (e + 127) << 23;

/** A random number with an exponent of `e`. */
const numberAt = (e: number, i: number, stream: number): number =>
  ((word(i, stream) & 0x807fffff) | (power(e) & 0x7f800000)) >>> 0;

/** Sum, partial sum, scale of A, scale of B. */
type Promotion = readonly [number, number, number, number];

type Case = readonly [name: string, of: (i: number) => Promotion];

const apart = (i: number): number => (word(i, 20) % 61) - 30;

/** Operands that the quick way must take. */
const tame: readonly Case[] = [
  ['near each other', (i) => [numberAt(apart(i) >> 3, i, 1), numberAt(apart(i) >> 4, i, 2), power(0), power(0)]],
  ['up to 60 binades apart', (i) => [numberAt(apart(i), i, 3), numberAt(-apart(i), i, 4), power(-5), power(5)]],
  [
    'what is left of a cancellation',
    (i) => {
      const partial = numberAt(apart(i), i, 5);
      const scaled = mulBits(partial, power(-7));
      return [((scaled ^ 0x80000000) + (word(i, 6) % 9) - 4) >>> 0, partial, power(-3), power(-4)];
    },
  ],
  [
    'a power of two, less a little: the last place is finer below it',
    (i) => [power(3), (numberAt(-20 - (i % 8), i, 7) | 0x80000000) >>> 0, power(0), power(0)],
  ],
  [
    'ties',
    (i) => [
      numberAt(4, i, 8),
      (power(4 - 24) | (word(i, 9) & 0x80000000) | (i % 3 === 0 ? 1 : 0)) >>> 0,
      power(0),
      power(0),
    ],
  ],
  [
    'a sum that carries into the next binade',
    (i) => [0x407ffff8 + (i % 8), numberAt(-22 + (i % 3), i, 10) & 0x7fffffff, power(0), power(0)],
  ],
  ['zeros of both signs', (i) => [i & 1 ? 0x80000000 : 0, i & 2 ? 0x80000000 : 0, power(2), power(-9)]],
  ['a zero sum', (i) => [i & 1 ? 0x80000000 : 0, numberAt(apart(i), i, 11), power(30), power(-20)]],
  ['a zero partial sum', (i) => [numberAt(apart(i), i, 12), i & 1 ? 0x80000000 : 0, power(30), power(-20)]],
];

/** Operands that it must leave alone, or get right. */
const wild: readonly Case[] = [
  ['any bits', (i) => [word(i, 13), word(i, 14), power(apart(i)), power(apart(i + 1))]],
  ['scales that are no powers of two', (i) => [numberAt(0, i, 15), numberAt(0, i, 16), 0x3f900000, power(0)]],
  ['scales that leave the range together', (i) => [numberAt(-90, i, 17), numberAt(-60, i, 18), power(-48), power(30)]],
  ['far apart', (i) => [numberAt(70, i, 19), numberAt(-30 - (i % 20), i, 21), power(0), power(0)]],
  [
    'subnormal, infinite and NaN',
    (i) => [[1, 0x7f800000, 0x7fc00000, 0x807fffff][i % 4]!, numberAt(0, i, 22), power(0), power(0)],
  ],
];

const count = 4096;

async function promoted(of: (i: number) => Promotion) {
  const lanes = Array.from({ length: 4 * count }, (_, i) => of(i));
  const input = new Uint32Array(16 * count);
  for (const [i, values] of lanes.entries())
    for (const [kind, bits] of values.entries()) input[16 * (i >> 2) + 4 * kind + (i & 3)] = bits;
  const output = await mapOnGpu('promote', 'promote_each', {}, input, count, 5, [0, 1]);
  const done = Array.from({ length: count }, (_, i) => output[5 * i + 4] === 1);
  const got = new Uint32Array(4 * count);
  const want = new Uint32Array(4 * count);
  for (const [i, [sum, partial, sa, sb]] of lanes.entries()) {
    if (!done[i >> 2]) continue;
    got[i] = output[5 * (i >> 2) + (i & 3)]!;
    want[i] = fmaBits(mulBits(sa, sb), partial, sum);
  }
  return { done, wrong: differences(got, want) };
}

describeGpu('promotion in floating point rounds as one fused multiply-add', () => {
  it.each(tame)('%s', async (_, of) => {
    const { done, wrong } = await promoted(of);
    expect(wrong).toEqual([]);
    expect(done.every(Boolean)).toBe(true);
  });

  it.each(wild)('%s: right, or left to integers', async (_, of) => {
    const { done, wrong } = await promoted(of);
    expect(wrong).toEqual([]);
    expect(done.every(Boolean)).toBe(false);
  });
});
