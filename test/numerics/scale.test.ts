import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quantizeReference } from '../../src/kernels/quantize/reference.ts';
import { bitsOf, fromBits } from '../../src/numerics/f32.ts';
import { type FormatName, formats } from '../../src/numerics/formats.ts';
import { quantizeBits, scaleBits, tensorScaleBits, tileScale } from '../../src/numerics/scale.ts';
import type { ScaleRecipe, ScaleType, Scheme } from '../../src/numerics/scheme.ts';
import { schemePresets } from '../../src/specs/presets.ts';

function scheme(recipe: ScaleRecipe, type: ScaleType = 'f32', format: FormatName = 'e4m3', amaxFloor = 0): Scheme {
  return {
    format,
    tile: [1, 128],
    scale: { type, recipe, amaxFloor, layout: 'row-major' },
    rounding: 'nearest-even',
    overflow: 'saturate',
    seed: 0,
  };
}

const f = Math.fround;
const max = 448;
const fl = (x: number): number => f(x);

/** Each recipe as its project writes it, in JavaScript numbers: [stored scale, what a value becomes]. */
const written: Record<string, (amax: number) => [number, (x: number) => number]> = {
  divide: (amax) => [fl(amax / max), (x) => fl(x / fl(amax / max))],
  reciprocal: (amax) => [fl(amax / max), (x) => fl(x * fl(1 / fl(amax / max)))],
  inverse: (amax) => [fl(amax / max), (x) => fl(x * fl(max / amax))],
  deepep: (amax) => [fl(amax * fl(1 / max)), (x) => fl(x * fl(max / amax))],
  v32: (amax) => [fl(amax * fl(1 / max)), (x) => fl(x / fl(amax * fl(1 / max)))],
  te: (amax) => [fl(1 / fl(max / amax)), (x) => fl(x * fl(max / amax))],
  torchao: (amax) => [fl(1 / fl(max / amax)), (x) => fl(x * fl(max / amax))],
};

const ordinary = fc.float({ min: f(1e-4), max: f(1e30), noNaN: true });

describe('division recipes', () => {
  it.each(Object.keys(written))('%s is the operations its project writes, in their order', (name) => {
    fc.assert(
      fc.property(ordinary, fc.double({ min: -1, max: 1, noNaN: true }), (amax, share) => {
        const x = fl(amax * share);
        const [stored, map] = written[name]!(amax);
        const mine = tileScale(bitsOf(amax), scheme(name as ScaleRecipe));
        expect(mine.stored).toBe(bitsOf(stored));
        const code = quantizeBits(bitsOf(x), mine.factor, formats.e4m3, 'nearest-even', 'saturate');
        const direct = quantizeBits(bitsOf(map(x)), { kind: 'none' }, formats.e4m3, 'nearest-even', 'saturate');
        expect(code).toBe(direct);
      }),
      { numRuns: 3000 },
    );
  });

  it('the recipes differ from each other on ordinary data, so a swap is seen', () => {
    const stored = (recipe: ScaleRecipe): number[] =>
      Array.from({ length: 2000 }, (_, i) => tileScale(bitsOf(f(1 + i * 0.00173)), scheme(recipe)).stored);
    expect(stored('divide')).not.toEqual(stored('deepep'));
    expect(stored('divide')).not.toEqual(stored('te'));
    // bf16 values land on rounding ties far more often than f32 ones: there the recipes part.
    const bf16 = (x: number): number => (bitsOf(f(x)) & 0xffff0000) >>> 0;
    const codes = (recipe: ScaleRecipe): number[] =>
      Array.from({ length: 100000 }, (_, i) => {
        const { factor } = tileScale(bf16(1 + ((i * 0.7548) % 1)), scheme(recipe));
        return quantizeBits(bf16((i * 0.61803) % 1), factor, formats.e4m3, 'nearest-even', 'saturate');
      });
    const [divide, reciprocal, inverse] = [codes('divide'), codes('reciprocal'), codes('inverse')];
    expect(divide).not.toEqual(reciprocal);
    expect(divide).not.toEqual(inverse);
  });

  it('amax is floored by a maximum, not an addition', () => {
    const floored = scheme('divide', 'f32', 'e4m3', 1e-4);
    expect(tileScale(0, floored).stored).toBe(bitsOf(f(f(1e-4) / 448)));
    expect(tileScale(bitsOf(1), floored).stored).toBe(bitsOf(f(1 / 448)));
  });

  it('a tile of zeros without a floor has scale zero and keeps its zeros', () => {
    for (const recipe of ['divide', 'reciprocal', 'inverse', 'deepep', 'v32'] as const) {
      expect(tileScale(0, scheme(recipe))).toEqual({ stored: 0, factor: { kind: 'none' } });
    }
  });

  it('unit has scale one whatever the amax, and a bf16 tensor keeps its bits, Inf too', () => {
    for (const amax of [0, 1, 0x3f800000, 0x7f7fffff, 0x7f800000, 0x7fc00000]) {
      expect(tileScale(amax, scheme('unit'))).toEqual({ stored: 0x3f800000, factor: { kind: 'none' } });
    }
    const { codes, scales } = quantizeReference(
      { dtype: 'BF16', shape: [1, 65536], codes: Uint16Array.from({ length: 65536 }, (_, i) => i) },
      schemePresets.bf16,
    );
    expect(Array.from(scales.codes)).toEqual([0x3f800000]);
    codes.codes.forEach((code, i) => {
      if (code !== i) expect([i, (i & 0x7fff) > 0x7f80, code]).toEqual([i, true, 0x7fff]);
    });
  });

  it('te takes scale one where amax is zero, Inf or NaN, and the others mark the tile', () => {
    for (const amax of [0, 0x7f800000, 0x7fc00000]) {
      expect(tileScale(amax, scheme('te')).stored).toBe(0x3f800000);
    }
    for (const recipe of ['divide', 'pow2', 'mx-floor', 'torchao'] as const) {
      expect(tileScale(0x7f800000, scheme(recipe))).toEqual({ stored: 0x7fffffff, factor: { kind: 'nan' } });
      expect(tileScale(0x7f800001, scheme(recipe)).factor.kind).toBe('nan');
    }
    expect(tileScale(0x7f800000, scheme('mx-floor', 'e8m0')).stored).toBe(0xff);
  });
});

/** Exponent of the least power of two that is at least x. */
function ceilLog2(x: number): number {
  let exponent = Math.floor(Math.log2(x)) - 2;
  while (2 ** exponent < x) exponent++;
  return exponent;
}

describe('power-of-two recipes', () => {
  const exponentOf = (recipe: ScaleRecipe, amax: number, format: FormatName = 'e4m3'): number =>
    tileScale(bitsOf(f(amax)), scheme(recipe, 'e8m0', format)).stored - 127;

  it('pow2 is the least power of two that is at least amax / 448, for every bf16 amax', () => {
    for (let high = 0x0080; high < 0x7f80; high++) {
      const amax = fromBits((high << 16) >>> 0);
      const want = Math.max(ceilLog2(f(amax / 448)), -126);
      expect(exponentOf('pow2', amax)).toBe(want);
    }
  });

  it('pow2 codes never pass the largest finite code', () => {
    fc.assert(
      fc.property(ordinary, (amax) => {
        const { factor } = tileScale(bitsOf(amax), scheme('pow2'));
        expect(quantizeBits(bitsOf(amax), factor, formats.e4m3, 'nearest-even', 'ieee')).toBeLessThanOrEqual(0x7e);
      }),
    );
  });

  // OCP MX 1.0 (floor) and torchao's ScaleCalculationMode; the thresholds for e4m3, amax in (256, 512).
  it.each([
    [257, 0, 1, 0, 0],
    [448, 0, 1, 0, 0],
    [449, 0, 1, 0, 1],
    [480, 0, 1, 0, 1],
    [495, 0, 1, 0, 1],
    [496, 0, 1, 1, 1],
    [511, 0, 1, 1, 1],
    [512, 1, 1, 1, 1],
  ])('amax %d: floor 2^%d, ceil 2^%d, even 2^%d, rceil 2^%d', (amax, floor, ceil, even, rceil) => {
    expect(exponentOf('mx-floor', amax)).toBe(floor);
    expect(exponentOf('mx-ceil', amax)).toBe(ceil);
    expect(exponentOf('mx-even', amax)).toBe(even);
    expect(exponentOf('mx-rceil', amax)).toBe(rceil);
  });

  it('mx-floor subtracts the largest exponent of the element format', () => {
    for (const [format, emax] of [
      ['e5m2', 15],
      ['e4m3', 8],
      ['e3m2', 4],
      ['e2m3', 2],
      ['e2m1', 2],
    ] as const) {
      expect(exponentOf('mx-floor', 1, format)).toBe(-emax);
    }
  });

  it('exponents are clamped to what e8m0 holds, and a zero tile has the least', () => {
    expect(tileScale(0, scheme('mx-floor', 'e8m0')).stored).toBe(0);
    expect(tileScale(1, scheme('mx-ceil', 'e8m0')).stored).toBe(0);
    expect(tileScale(1, scheme('mx-rceil', 'e8m0')).stored).toBe(0);
    expect(tileScale(0x7f7fffff, scheme('mx-even', 'e8m0', 'e2m1')).stored).toBeLessThanOrEqual(253);
  });

  it('an f32 scale of 2^-127 is the subnormal, and dequantizes like the e8m0 byte', () => {
    const f32 = tileScale(0, scheme('mx-floor'));
    expect(f32.stored).toBe(0x00400000);
    expect(scaleBits(0, scheme('mx-floor', 'e8m0'))).toBe(f32.stored);
  });

  it('values are shifted without an intermediate rounding', () => {
    // 2^-149 * 2^127 = 2^-22: through an f32 multiplier 2^127 that is still exact, but 2^-140 * 2^130 needs the shift.
    const { factor } = tileScale(bitsOf(2 ** -140), scheme('mx-floor', 'e8m0'));
    expect(factor).toEqual({ kind: 'shift', exponent: 127 });
    expect(quantizeBits(bitsOf(2 ** -133), factor, formats.e4m3, 'nearest-even', 'saturate')).toBe(0x08);
  });
});

describe('nvfp4', () => {
  const nvfp4 = scheme('nvfp4', 'e4m3', 'e2m1');

  it('the tensor scale is amax over 2688, and 1 for zeros', () => {
    expect(tensorScaleBits(bitsOf(2688))).toBe(bitsOf(1));
    expect(tensorScaleBits(0)).toBe(bitsOf(1));
    expect(tensorScaleBits(0x7fc00000)).toBe(0x7fffffff);
  });

  it('the block with the largest value has scale 448 and its amax becomes 6', () => {
    const tensor = tensorScaleBits(bitsOf(f(3.7)));
    const { stored, factor } = tileScale(bitsOf(f(3.7)), nvfp4, tensor);
    expect(stored).toBe(0x7e);
    expect(quantizeBits(bitsOf(f(3.7)), factor, formats.e2m1, 'nearest-even', 'saturate')).toBe(7);
  });

  it('a tiny block keeps the least block scale', () => {
    const { stored } = tileScale(bitsOf(f(1e-9)), nvfp4, tensorScaleBits(bitsOf(1000)));
    expect(stored).toBe(0x08);
  });
});
