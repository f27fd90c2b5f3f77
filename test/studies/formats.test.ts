import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBits } from '../../src/numerics/decode-bits.ts';
import { fromBits } from '../../src/numerics/f32.ts';
import { formats } from '../../src/numerics/formats.ts';
import { logCodec, scaledCodec, smallFormat } from '../../src/studies/small-format.ts';
import { numberIn, rowsOf, rowWhere } from './helpers.ts';

describe('a small format', () => {
  it('of 4 and 3 bits is e4m3', () => {
    expect(smallFormat(4, 3)).toEqual(formats.e4m3);
  });

  it('of 3 and 4 bits reaches from 2^-6 to 30', () => {
    expect(smallFormat(3, 4)).toMatchObject({ max: 30, minNormal: 0.25, minSubnormal: 2 ** -6, bits: 8 });
  });

  it('rounds to the nearest of all its values', () => {
    const format = smallFormat(3, 4);
    const values = Array.from({ length: format.maxCode + 1 }, (_, code) => fromBits(decodeBits(code, format)));
    const nearest = (x: number): number => Math.min(...values.map((value) => Math.abs(value - x)));
    fc.assert(
      fc.property(fc.float({ min: 0, max: 30, noNaN: true }), (x) => {
        // The tile's largest is 30: its scale is 1.
        const tile = Float32Array.of(30, x);
        const out = new Float32Array(2);
        scaledCodec(format).roundTrip(tile, 0, 2, out);
        expect(Math.abs(out[1]! - x)).toBe(nearest(x));
      }),
    );
  });
});

describe('LogFMT', () => {
  it.each([6, 8, 10])('of %i bits takes the nearest of its 2^(n-1) magnitudes', (bits) => {
    const steps = 2 ** (bits - 1) - 2;
    const magnitude = fc.float({ min: Math.fround(2 ** -20), max: 1000, noNaN: true });
    fc.assert(
      fc.property(fc.array(magnitude, { minLength: 2, maxLength: 40 }), (list) => {
        const tile = Float32Array.from(list);
        const out = new Float32Array(tile.length);
        logCodec(bits).roundTrip(tile, 0, tile.length, out);
        const high = Math.log2(Math.max(...tile));
        const low = Math.max(Math.log2(Math.min(...tile)), high - 32);
        const grid = [0, ...Array.from({ length: steps + 1 }, (_, code) => 2 ** (low + (code * (high - low)) / steps))];
        for (const [i, x] of tile.entries()) {
          const best = Math.min(...grid.map((value) => Math.abs(value - x)));
          expect(Math.abs(out[i]! - x)).toBeLessThanOrEqual(best + 1e-6 * x);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('keeps signs and zeros', () => {
    const out = new Float32Array(4);
    logCodec(8).roundTrip(Float32Array.of(0, -2, 2, 1), 0, 4, out);
    expect(Array.from(out)).toEqual([0, -2, 2, 1]);
  });

  it('of a tile of zeros gives zeros', () => {
    const out = Float32Array.of(7, 7);
    logCodec(8).roundTrip(new Float32Array(2), 0, 2, out);
    expect(Array.from(out)).toEqual([0, 0]);
  });
});

describe('the formats study', () => {
  it('e4m3 in 1x128 tiles is what the granularity study measures by another path', async () => {
    const size = { rows: 128, columns: 256 };
    const here = rowWhere(await rowsOf('formats', { ...size, formats: 'e4m3', binades: 1 }, ['normal']), {
      input: 'normal',
    });
    const there = rowWhere(await rowsOf('granularity', { ...size, schemes: '1x128' }, ['normal']), { scheme: '1x128' });
    expect(here.sqnr).toBe(there.sqnr);
    expect(here.underflowed).toBe(there.underflowed);
  });

  it('a binade lost shows where the format ends: e4m3 after 18, e5m2 not within 24', async () => {
    const rows = await rowsOf('formats', { rows: 16, columns: 128, formats: 'e4m3,e5m2' }, ['normal']);
    const lost = (format: string, binade: number): number =>
      numberIn(rowWhere(rows, { format, binade }), 'underflowed');
    expect(lost('e4m3', 12)).toBe(0);
    expect(lost('e4m3', 20)).toBe(1);
    expect(lost('e5m2', 24)).toBe(0);
  });

  it('the relative error of e4m3 within its normal range is that of 3 mantissa bits', async () => {
    const rows = await rowsOf('formats', { rows: 16, columns: 128, formats: 'e4m3', binades: 8 }, ['normal']);
    // Uniform in a binade: a step of 2^-3 of its foot, rms 2^-3 / sqrt(12), relative to values of mean inverse square 1/2.
    const expected = 2 ** -3 / Math.sqrt(12) / Math.sqrt(2);
    const error = numberIn(rowWhere(rows, { format: 'e4m3', binade: 5 }), 'rms_relative_error');
    expect(Math.abs(error / expected - 1)).toBeLessThan(0.05);
  });
});
