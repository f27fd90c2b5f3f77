import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { philoxWord } from '../../src/numerics/philox.ts';
import { generate } from '../../src/tensors/generate.ts';
import type { RoutingInput } from '../../src/tensors/generate-integers.ts';

const routing = (more: Partial<RoutingInput> = {}): RoutingInput => ({
  generate: 'routing',
  seed: 3,
  dtype: 'i32',
  experts: 16,
  used: more.experts ?? 16,
  skew: 0,
  maskedTokens: 0,
  maskedSlots: 0,
  ...more,
});

const signed = (input: RoutingInput, shape: readonly [number, number]): Int32Array =>
  Int32Array.from(generate(input, shape).codes);

/** The definition of docs/numerics.md in BigInt, with a list of the experts that are left. */
function expectedRow(input: RoutingInput, token: number, slots: number): number[] {
  const word = (index: number, stream: number): number => philoxWord(input.seed, index, stream);
  const masked = (share: number, index: number, stream: number): boolean => word(index, stream) < share * 2 ** 32;
  if (masked(input.maskedTokens, token, 8)) return Array(slots).fill(-1);
  const left = Array.from({ length: input.used }, (_, expert) => expert);
  return Array.from({ length: slots }, (_, slot) => {
    const index = token * slots + slot;
    const words = Array.from({ length: input.skew + 1 }, (_, draw) => word(index, 16 + draw));
    const rank = Number((BigInt(Math.min(...words)) * BigInt(left.length)) >> 32n);
    const expert = left.splice(rank, 1)[0] ?? -1;
    return masked(input.maskedSlots, index, 9) ? -1 : expert;
  });
}

describe('routing', () => {
  test('every row is the definition, whatever the fields', () => {
    fc.assert(
      fc.property(
        fc.record({
          seed: fc.integer({ min: 0, max: 0xffffffff }),
          experts: fc.integer({ min: 1, max: 40 }),
          share: fc.double({ min: 0, max: 1, noNaN: true }),
          skew: fc.nat(5),
          slots: fc.integer({ min: 1, max: 10 }),
          masks: fc.tuple(fc.constantFrom(0, 0.3, 1), fc.constantFrom(0, 0.3, 1)),
        }),
        ({ seed, experts, share, skew, slots, masks }) => {
          const used = 1 + Math.floor(share * (experts - 1));
          const input = routing({ seed, experts, used, skew, maskedTokens: masks[0], maskedSlots: masks[1] });
          const rows = signed(input, [5, slots]);
          for (let token = 0; token < 5; token++) {
            expect([...rows.subarray(token * slots, (token + 1) * slots)]).toEqual(expectedRow(input, token, slots));
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test('experts of a token are distinct, and all of them come up', () => {
    const rows = signed(routing({ experts: 64 }), [500, 8]);
    for (let token = 0; token < 500; token++) {
      expect(new Set(rows.subarray(8 * token, 8 * token + 8)).size).toBe(8);
    }
    expect(new Set(rows).size).toBe(64);
    expect(Math.min(...rows)).toBe(0);
  });

  test('skew loads the low experts more', () => {
    const load = (skew: number): number =>
      signed(routing({ experts: 64, skew }), [1000, 4]).filter((expert) => expert < 16).length;
    expect(Math.abs(load(0) - 1000)).toBeLessThan(120);
    expect(load(3)).toBeGreaterThan(2200);
  });

  test('all tokens go to one expert where one is used, and nowhere where all are masked', () => {
    const one = signed(routing({ used: 1 }), [50, 2]);
    expect(one.every((expert, i) => expert === (i % 2 === 0 ? 0 : -1))).toBe(true);
    expect(signed(routing({ maskedTokens: 1 }), [50, 2]).every((expert) => expert === -1)).toBe(true);
  });
});

test('a mask holds its share of zeros, integers stay below their bound', () => {
  const mask = generate({ generate: 'mask', seed: 1, dtype: 'i32', share: 0.25 }, [4000]).codes as Uint32Array;
  const ones = mask.reduce((a, b) => a + b, 0);
  expect(Math.abs(ones - 3000)).toBeLessThan(150);
  const counts = generate({ generate: 'integers', seed: 1, dtype: 'i32', below: 100 }, [4000]).codes;
  expect(new Set(counts).size).toBe(100);
  expect(Math.max(...counts)).toBe(99);
  expect(counts[5]).toBe(Math.floor((philoxWord(1, 5, 0) * 100) / 2 ** 32));
});
