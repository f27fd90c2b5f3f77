import fc from 'fast-check';

/** f32 bits at which arithmetic turns: zeros, subnormals, powers of two and their neighbours, the largest, Inf, NaN, of both signs. */
export const edges: readonly number[] = [
  0x00000000, 0x00000001, 0x00000002, 0x00000003, 0x00400000, 0x007fffff, 0x00800000, 0x00800001, 0x00ffffff,
  0x01000000, 0x0c000000, 0x1fffffff, 0x20000000, 0x33800000, 0x33800001, 0x34000000, 0x3effffff, 0x3f000000,
  0x3f7fffff, 0x3f800000, 0x3f800001, 0x3fc00000, 0x3fffffff, 0x40000000, 0x40490fdb, 0x4b000000, 0x4b7fffff,
  0x4b800000, 0x5f000000, 0x5f7fffff, 0x7e800000, 0x7effffff, 0x7f000000, 0x7f7ffffe, 0x7f7fffff, 0x7f800000,
  0x7f800001, 0x7fc00000, 0x7fffffff,
].flatMap((bits) => [bits, (bits | 0x80000000) >>> 0]);

const u32 = fc.integer({ min: 0, max: 0xffffffff });

/** f32 bits of any exponent alike, with mantissas of few set bits often, so that ties and exact results come up. */
export const f32Bits: fc.Arbitrary<number> = fc.oneof(
  { weight: 3, arbitrary: u32 },
  { weight: 1, arbitrary: fc.constantFrom(...edges) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.integer({ min: 0, max: 511 }), fc.integer({ min: 0, max: 22 }), fc.integer({ min: 0, max: 22 }))
      .map(([head, i, j]) => ((head << 23) | (1 << i) | (1 << j)) >>> 0),
  },
);

/** Bits of a neighbour `steps` codes away in magnitude, same sign, kept within the magnitudes. */
export function nudge(bits: number, steps: number): number {
  const magnitude = Math.min(Math.max((bits & 0x7fffffff) + steps, 0), 0x7fffffff);
  return ((bits & 0x80000000) | magnitude) >>> 0;
}
