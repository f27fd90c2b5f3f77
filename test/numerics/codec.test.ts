import { describe, expect, test } from 'vitest';
import { decodeBits, encodeBits, encodeFormats, isInfCode, isNanCode } from '../../src/numerics/codec.ts';
import { NAN_BITS } from '../../src/numerics/f32.ts';
import { formats } from '../../src/numerics/formats.ts';

describe('every code', () => {
  test.each(encodeFormats.filter((name) => formats[name].bits <= 16))('of %s decodes and encodes back', (name) => {
    const format = formats[name];
    for (let code = 0; code < 2 ** format.bits; code++) {
      const bits = decodeBits(code, format);
      if (isNanCode(code, format)) {
        expect(bits).toBe(NAN_BITS);
        expect(encodeBits(bits, format, 'nearest-even', 'saturate')).toBe(format.nanCode);
      } else if (isInfCode(code, format)) {
        expect(encodeBits(bits, format, 'nearest-even', 'ieee')).toBe(code);
      } else {
        expect(encodeBits(bits, format, 'nearest-even', 'saturate')).toBe(code);
      }
    }
  });
});
