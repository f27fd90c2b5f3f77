import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fp8labError } from '../../src/errors.ts';
import { encode } from '../../src/numerics/codec.ts';
import { bitsOf, fromBits } from '../../src/numerics/f32.ts';
import { type FormatName, formats } from '../../src/numerics/formats.ts';
import {
  compareResults,
  compareTensors,
  coordinatesOf,
  describeTensor,
  indexOf,
  requireComparable,
} from '../../src/parity/compare.ts';
import { formatValue, laneReader, ulpDistance } from '../../src/parity/lanes.ts';
import {
  allocateCodes,
  type DType,
  dtypeBits,
  dtypeOfFormat,
  elementCount,
  type Tensor,
} from '../../src/tensors/tensor.ts';

const formatNames = Object.keys(formats) as FormatName[];
const dtypes: DType[] = [...formatNames.map((name) => dtypeOfFormat[name]), 'U8', 'I8', 'U16', 'I16', 'U32', 'I32'];

const code = (dtype: DType): fc.Arbitrary<number> => fc.integer({ min: 0, max: 2 ** dtypeBits[dtype] - 1 });

function tensorOf(dtype: DType, shape: readonly number[], values: readonly number[]): Tensor {
  const codes = allocateCodes(dtype, elementCount(shape));
  codes.set(values);
  return { dtype, shape, codes };
}

const f32 = (values: readonly number[], shape: readonly number[] = [values.length]): Tensor => ({
  dtype: 'F32',
  shape,
  codes: Uint32Array.from(values, bitsOf),
});

const anyTensor: fc.Arbitrary<Tensor> = fc
  .record({
    dtype: fc.constantFrom(...dtypes),
    shape: fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 3 }),
  })
  .chain(({ dtype, shape }) => {
    const length = elementCount(shape);
    return fc
      .array(code(dtype), { minLength: length, maxLength: length })
      .map((values) => tensorOf(dtype, shape, values));
  });

describe('ULP distance', () => {
  it('swapping the sides changes its sign and nothing else', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...dtypes).chain((dtype) => fc.tuple(fc.constant(dtype), code(dtype), code(dtype))),
        ([dtype, x, y]) => {
          const reader = laneReader(dtype);
          const forth = ulpDistance(reader, x, y);
          const back = ulpDistance(reader, y, x);
          if (forth === undefined) expect(back).toBeUndefined();
          else expect(back! + forth).toBe(0);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it.each(formatNames.filter((name) => formats[name].bits <= 16))('of neighbouring %s values is one', (name) => {
    const reader = laneReader(dtypeOfFormat[name]);
    const all = Array.from({ length: 2 ** formats[name].bits }, (_, i) => i).filter(
      (i) => !Number.isNaN(reader.value(i)),
    );
    const sorted = all.sort((a, b) => reader.value(a) - reader.value(b) || reader.ordered(a) - reader.ordered(b));
    for (let i = 1; i < sorted.length; i++) {
      const same = reader.value(sorted[i]!) === reader.value(sorted[i - 1]!);
      expect(ulpDistance(reader, sorted[i - 1]!, sorted[i]!)).toBe(same ? 0 : 1);
    }
  });

  it('of zero and the least negative f32 is minus one', () => {
    expect(ulpDistance(laneReader('F32'), 0, 0x80000001)).toBe(-1);
    expect(ulpDistance(laneReader('F32'), 0x80000000, 0)).toBe(0);
  });
});

describe('a value in words', () => {
  it('reads back as the same f32', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (bits) => {
        const value = fromBits(bits);
        expect(Object.is(Math.fround(Number(formatValue(value))), value)).toBe(true);
      }),
      { numRuns: 5000 },
    );
  });

  it('is the shortest there is', () => {
    expect([0.1, 1 / 3, 2 ** -149, -0, 448, 3.4028234663852886e38].map((x) => formatValue(Math.fround(x)))).toEqual([
      '0.1',
      '0.33333334',
      '1e-45',
      '-0',
      '448',
      '3.4028235e38',
    ]);
  });
});

describe('compareTensors', () => {
  it('a tensor equals itself, NaN and all', () => {
    fc.assert(
      fc.property(anyTensor, (tensor) => {
        const copy = { ...tensor, codes: tensor.codes.slice() };
        expect(compareTensors('t', tensor, copy)).toEqual({
          name: 't',
          dtype: tensor.dtype,
          shape: tensor.shape,
          status: 'equal',
          elements: tensor.codes.length,
          mismatches: 0,
        });
      }),
    );
  });

  it('a single flipped bit is found, at its coordinates, with both codes', () => {
    fc.assert(
      fc.property(anyTensor, fc.nat(), fc.nat(), (tensor, where, which) => {
        const index = where % tensor.codes.length;
        const flipped = { ...tensor, codes: tensor.codes.slice() };
        flipped.codes[index] = (flipped.codes[index]! ^ (1 << (which % dtypeBits[tensor.dtype]))) >>> 0;
        const found = compareTensors('t', tensor, flipped);
        expect(found.status).toBe('differs');
        expect(found.mismatches).toBe(1);
        expect(found.first!.coordinates).toEqual(coordinatesOf(index, tensor.shape));
        expect(Number(found.first!.expected.code)).toBe(tensor.codes[index]);
        expect(Number(found.first!.actual.code)).toBe(flipped.codes[index]);
        expect(found.worst).toEqual([found.first]);
      }),
    );
  });

  it('coordinates and indices go both ways', () => {
    for (let i = 0; i < 2 * 3 * 5; i++) expect(indexOf(coordinatesOf(i, [2, 3, 5]), [2, 3, 5])).toBe(i);
    expect(coordinatesOf(29, [2, 3, 5])).toEqual([1, 2, 4]);
  });

  it('the metrics are those of the formulas written plainly', () => {
    const values = fc.array(fc.float({ noNaN: true, min: -100, max: 100 }), { minLength: 40, maxLength: 40 });
    fc.assert(
      fc.property(values, values, (e, a) => {
        const expected = f32(e, [4, 10]);
        const { metrics } = compareTensors('t', expected, f32(a, [4, 10]));
        if (metrics === undefined) return;
        const sum = (f: (e: number, a: number) => number): number => e.reduce((s, x, i) => s + f(x, a[i]!), 0);
        const near = (got: number | null, want: number): void => {
          if (Number.isFinite(want))
            expect(Math.abs(got! - want)).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(want)));
          else expect(got).toBeNull();
        };
        near(metrics.sqnr, 10 * Math.log10(sum((x) => x * x) / sum((x, y) => (y - x) ** 2)));
        near(metrics.bias, sum((x, y) => y - x) / 40);
        near(metrics.relativeBias, sum((x, y) => y - x) / sum(Math.abs));
        near(metrics.maxAbsoluteError, Math.max(...e.map((x, i) => Math.abs(a[i]! - x))));
        near(metrics.calcDiff, 1 - (2 * sum((x, y) => x * y)) / sum((x, y) => x * x + y * y));
        near(metrics.checkBias.below, sum((x, y) => (y < x ? 1 : 0)) / 40);
        near(metrics.checkBias.limit, 10 / Math.sqrt(40));
        const relative = e.map((x, i) => (x === 0 ? 0 : Math.abs(a[i]! - x) / Math.abs(x)));
        near(metrics.maxRelativeError, Math.max(...relative));
        near(metrics.tiles.worst[0]!.maxRelativeError, Math.max(...relative));
        const differing = e.filter((x, i) => !Object.is(x, a[i]!)).length;
        expect(metrics.ulps.reduce((s, bucket) => s + bucket.count, 0)).toBe(differing);
      }),
    );
  });

  it('each ULP distance is counted in the bucket that spans it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0x3f000000, max: 0x3fffffff }),
        fc.integer({ min: 1, max: 0xfffff }),
        fc.boolean(),
        (bits, distance, down) => {
          const other = down ? bits - distance : bits + distance;
          const single = (code: number): Tensor => tensorOf('F32', [1], [code]);
          const { metrics, first } = compareTensors('t', single(bits), single(other));
          const signed = down ? -distance : distance;
          expect(first!.ulps).toBe(signed);
          expect(metrics!.ulps).toHaveLength(1);
          expect(metrics!.ulps[0]!.from).toBeLessThanOrEqual(signed);
          expect(metrics!.ulps[0]!.to).toBeGreaterThanOrEqual(signed);
          expect(metrics!.maxUlps).toBe(distance);
        },
      ),
    );
  });

  it('one wrong tile shows, with its tile coordinates, where calc_diff does not see it', () => {
    const values = Float32Array.from({ length: 512 * 512 }, (_, i) => 1 + (i % 97) / 97);
    const expected = f32(Array.from(values), [512, 512]);
    const codes = expected.codes.slice();
    for (let row = 128; row < 256; row++) {
      for (let column = 384; column < 512; column++)
        codes[row * 512 + column] = bitsOf(values[row * 512 + column]! * 1.01);
    }
    const { metrics, mismatches } = compareTensors('d', expected, { ...expected, codes });
    expect(mismatches).toBe(128 * 128);
    expect(metrics!.tiles).toMatchObject({ total: 16, differing: 1, worst: [{ tile: [1, 3], mismatches: 128 * 128 }] });
    expect(metrics!.tiles.worst[0]!.relativeNorm).toBeCloseTo(0.01, 4);
    expect(metrics!.calcDiff).toBeLessThan(1e-5);
  });

  it('one-sided rounding is outside the limit of check_bias, two-sided inside', () => {
    const exact = Float32Array.from({ length: 4096 }, (_, i) => Math.fround(1 + i * 1.2345e-4));
    const wide = f32(Array.from(exact));
    const rounded = (rounding: 'toward-zero' | 'nearest-even'): Tensor => {
      const codes = encode(exact, 'bf16', { rounding });
      return f32(Array.from(codes, (bits) => fromBits(bits << 16)));
    };
    expect(compareTensors('x', wide, rounded('toward-zero')).metrics!.checkBias.within).toBe(false);
    expect(compareTensors('x', wide, rounded('nearest-even')).metrics!.checkBias.within).toBe(true);
    expect(compareTensors('x', wide, rounded('toward-zero')).metrics!.signs).toMatchObject({
      above: 0,
      oneSided: true,
    });
    expect(compareTensors('x', wide, rounded('nearest-even')).metrics!.signs.oneSided).toBe(false);
  });

  it('a few elements off to one side among many equal ones are seen as one-sided, where check_bias is blind', () => {
    const expected = f32(new Array(4096).fill(1));
    const codes = expected.codes.slice().fill(bitsOf(0.999), 0, 100);
    const { metrics } = compareTensors('x', expected, { ...expected, codes });
    expect(metrics!.signs).toEqual({ below: 100, above: 0, oneSided: true });
    expect(metrics!.checkBias.within).toBe(true);
  });

  it('NaN, Inf, signs of zero, NaN payloads and saturation are each counted', () => {
    const inf = 0x7f800000;
    const expected = tensorOf('F32', [6], [0x7fc00000, 1, inf, 0, 0x7fc00000, inf]);
    const actual = tensorOf('F32', [6], [1, 0x7fc00000, 0, 0x80000000, 0x7fffffff, inf]);
    const found = compareTensors('d', expected, actual);
    expect(found.mismatches).toBe(5);
    expect(found.metrics!.masks).toEqual({
      nanExpectedOnly: 1,
      nanActualOnly: 1,
      infExpectedOnly: 1,
      infActualOnly: 0,
    });
    expect(found.metrics).toMatchObject({
      zeroSigns: 1,
      nanPayloads: 1,
      saturated: { expected: 2 / 6, actual: 1 / 6 },
    });
    // A number against NaN is the worst there is; NaN payloads are the least.
    expect(found.worst!.map(({ coordinates }) => coordinates[0])).toEqual([0, 1, 2, 3, 4]);
  });

  it('the result survives JSON unchanged', () => {
    const found = compareTensors(
      'd',
      tensorOf('F8_E4M3', [2, 2], [1, 0x7f, 3, 0]),
      tensorOf('F8_E4M3', [2, 2], [1, 2, 0x83, 0x80]),
    );
    expect(JSON.parse(JSON.stringify(found))).toEqual(found);
  });

  it('ten million equal elements take about a second at most', () => {
    const codes = new Uint8Array(10_000_000).fill(0x38);
    const tensor: Tensor = { dtype: 'F8_E4M3', shape: [1000, 10_000], codes };
    const start = performance.now();
    expect(compareTensors('codes', tensor, { ...tensor, codes: codes.slice() }).status).toBe('equal');
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe('compareResults', () => {
  const spec = { name: 'test-spec' };
  const codes = tensorOf('F8_E4M3', [1, 4], [1, 2, 3, 4]);
  const scales = f32([1]);

  it('adds up the tensors of a spec', () => {
    const other = { ...codes, codes: Uint8Array.of(1, 2, 3, 5) };
    const found = compareResults(spec, { codes, scales }, { codes: other, scales });
    expect(found).toMatchObject({ spec: 'test-spec', equal: false, elements: 5, mismatches: 1 });
    expect(describeTensor(found.tensors[0]!)).toBe(
      'codes: 1 of 4 elements differ, first at [0, 3]: expected 0x04 (0.0078125), got 0x05 (0.009765625), +1 ULP',
    );
    expect(describeTensor(found.tensors[1]!)).toBe('');
  });

  it.each([
    ['missing-tensor', { codes }, 'no tensor named scales'],
    ['unexpected-tensor', { codes, scales, extra: scales }, 'nothing expects a tensor named extra'],
    ['wrong-dtype', { codes: { ...codes, dtype: 'F8_E5M2' as const }, scales }, 'dtype is F8_E5M2, expected F8_E4M3'],
    ['wrong-shape', { codes: { ...codes, shape: [4, 1] }, scales }, 'shape is [4, 1], expected [1, 4]'],
    [
      'wrong-shape',
      { codes: { ...codes, codes: codes.codes.slice(1) }, scales },
      '3 lanes do not fill the shape [1, 4]',
    ],
  ])('%s is reported, counts all elements, and is refused on request', (code, actual, words) => {
    const found = compareResults(spec, { codes, scales }, actual);
    expect(found.equal).toBe(false);
    expect(found.mismatches).toBeGreaterThan(0);
    expect(found.tensors.map(describeTensor).join('')).toContain(words);
    const refuse = (): void => requireComparable(found);
    expect(refuse).toThrow(Fp8labError);
    expect(refuse).toThrow(expect.objectContaining({ code, kind: 'input' }));
  });

  it('differing elements are comparable', () => {
    const found = compareResults(spec, { scales }, { scales: f32([2]) });
    expect(() => requireComparable(found)).not.toThrow();
  });
});
