import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packCodes, packedBytes, unpackCodes } from '../../src/tensors/packing.ts';
import { allocateCodes, type DType, dtypeBits } from '../../src/tensors/tensor.ts';

const subByte = ['F4', 'F6_E2M3', 'F6_E3M2', 'E5M6'] as const satisfies readonly DType[];
const narrow = (Object.keys(dtypeBits) as DType[]).filter((dtype) => dtypeBits[dtype] <= 32);

describe('packing', () => {
  it('F4 holds the even element in the low nibble', () => {
    expect(Array.from(packCodes(Uint8Array.of(1, 2, 3), 'F4'))).toEqual([0x21, 0x03]);
  });

  it('F6 is a stream of bits from the low end', () => {
    expect(Array.from(packCodes(Uint8Array.of(0b000001, 0b000011, 0b000111, 0b001111), 'F6_E2M3'))).toEqual([
      0b11000001, 0b01110000, 0b00111100,
    ]);
  });

  it('E5M6 lays eight codes in three words, the first in the high bits', () => {
    const bytes = packCodes(Uint16Array.of(0x123, 0x456, 0x789, 0xabc, 0xdef, 0x012, 0x345, 0x678), 'E5M6');
    const words = Array.from(new Uint32Array(bytes.buffer), (word) => word.toString(16).padStart(8, '0'));
    expect(words).toEqual(['12345678', '9abcdef0', '12345678']);
  });

  it.each(narrow)('%s comes back as it went, from any element on', (dtype) => {
    const code = fc.integer({ min: 0, max: 2 ** dtypeBits[dtype] - 1 });
    fc.assert(
      fc.property(fc.array(code, { maxLength: 70 }), fc.nat(70), (values, from) => {
        const codes = allocateCodes(dtype, values.length);
        codes.set(values);
        const bytes = packCodes(codes, dtype);
        expect(bytes.length).toBe(packedBytes(dtype, values.length));
        const skip = Math.min(from, values.length);
        expect(Array.from(unpackCodes(bytes, dtype, values.length - skip, skip))).toEqual(values.slice(skip));
      }),
    );
  });

  it.each(subByte)('bits past the width of %s never reach the neighbour', (dtype) => {
    const codes = allocateCodes(dtype, 9).fill(0);
    codes[4] = 0xffff;
    const back = unpackCodes(packCodes(codes, dtype), dtype, 9);
    expect(Array.from(back)).toEqual([0, 0, 0, 0, 2 ** dtypeBits[dtype] - 1, 0, 0, 0, 0]);
  });

  it('unaligned bytes are read all the same', () => {
    const bytes = Uint8Array.of(0, 1, 2, 3, 4).subarray(1);
    expect(Array.from(unpackCodes(bytes, 'U32', 1))).toEqual([0x04030201]);
  });
});
