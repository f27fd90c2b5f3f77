import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mulHigh, philox4x32, philoxWord, philoxWords } from '../../src/numerics/philox.ts';

const u32 = fc.integer({ min: 0, max: 0xffffffff });

describe('Philox4x32-10', () => {
  // The known answers of Random123's kat_vectors.
  test.each([
    { input: [0, 0, 0, 0, 0, 0], words: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8] },
    { input: Array(6).fill(0xffffffff), words: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd] },
    {
      input: [0xa4093822, 0x299f31d0, 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      words: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    },
  ])('gives the published known answer for $input', ({ input, words }) => {
    expect(philox4x32(...(input as [number, number, number, number, number, number]))).toEqual(words);
  });

  test('the high half of a product agrees with BigInt', () => {
    fc.assert(
      fc.property(u32, u32, (a, b) => mulHigh(a, b) === Number((BigInt(a) * BigInt(b)) >> 32n)),
      { numRuns: 20_000 },
    );
  });

  test('the word of an element is a lane of the block its index names', () => {
    const index = fc.integer({ min: 0, max: 2 ** 34 - 1 });
    fc.assert(
      fc.property(u32, index, fc.constantFrom(0, 1, 8), (seed, i, stream) => {
        const block = philox4x32(seed, 0, Math.floor(i / 4), 0, stream, 0);
        return philoxWord(seed, i, stream) === block[i % 4];
      }),
    );
  });

  test('filling gives the word of each element, whatever the start and length', () => {
    const start = fc.integer({ min: 0, max: 2 ** 33 });
    fc.assert(
      fc.property(u32, start, fc.integer({ min: 0, max: 23 }), (seed, first, length) => {
        const out = new Uint32Array(length);
        philoxWords(seed, 3, first, out);
        expect([...out]).toEqual(Array.from(out, (_, i) => philoxWord(seed, first + i, 3)));
      }),
    );
  });
});
