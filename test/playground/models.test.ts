import { parseTree } from 'jsonc-parser';
import { describe, expect, it } from 'vitest';
import schema from '../../specs/fp8lab.schema.json' with { type: 'json' };
import { decode, encode, encodeFormats, type FormatName, formats, schemePresets } from '../../src/index.ts';
import {
  describeCode,
  neighbour,
  overflowOf,
  roundingView,
  stochasticCounts,
} from '../../src/playground/pages/formats/model.ts';
import { type CardContent, figuresOf, verdictOf } from '../../src/playground/pages/parity/card.ts';
import { quantizeViews } from '../../src/playground/pages/quantize/model.ts';
import { surfaceOf } from '../../src/playground/pages/quantize/pictures.ts';
import { cornersOf, trianglesOf } from '../../src/playground/pages/quantize/surface.ts';
import { errorCurve } from '../../src/playground/pages/tensor-core/curve.ts';
import { alignmentOf, operandsOf, sumsOf } from '../../src/playground/pages/tensor-core/model.ts';
import { choicesAt, fieldsAt, type Schema } from '../../src/playground/services/json-schema.ts';
import { csvCell } from '../../src/playground/ui/csv.ts';
import { noLevel } from '../../src/playground/ui/levels.ts';

const small = encodeFormats.filter((name) => formats[name].bits <= 8);
const lanes = (code: number) => Uint8Array.of(code);

describe('formats', () => {
  it.each(small)('%s: neighbours are the next values in the order of all values', (format: FormatName) => {
    const codes = Array.from({ length: 2 ** formats[format].bits }, (_, code) => code);
    const values = [
      ...new Set(codes.map((code) => decode(lanes(code), format)[0]!).filter((x) => !Number.isNaN(x))),
    ].sort((a, b) => a - b);
    for (const code of codes) {
      const view = describeCode(code, format);
      if (view.kind === 'nan') continue;
      const at = values.indexOf(view.value);
      expect([view.previous, view.next].map((x) => x && x + 0)).toEqual(
        [values[at - 1], values[at + 1]].map((x) => x && x + 0),
      );
      expect(neighbour(code, format, 0)).toBe(
        code === 2 ** (formats[format].bits - 1) && formats[format].signBits === 1 ? 0 : code,
      );
    }
  });

  it('the code that is shown is the one the library encodes', () => {
    for (const x of [
      0,
      -0,
      0.3,
      0.2968,
      1.0625,
      448,
      464,
      465,
      -1e30,
      2 ** -10,
      2 ** -11,
      Number.POSITIVE_INFINITY,
      Number.NaN,
    ]) {
      for (const rounding of ['nearest-even', 'toward-zero', 'nearest-away', 'to-odd', 'stochastic'] as const) {
        expect(roundingView(x, 'e4m3', rounding, 'saturate').code).toBe(
          encode(Float32Array.of(x), 'e4m3', { rounding })[0],
        );
      }
    }
  });

  it.each(encodeFormats)('%s: the library takes every overflow rule that the page gives it', (format) => {
    for (const wanted of ['saturate', 'ieee'] as const) {
      const overflow = overflowOf(format, wanted);
      const x = formats[format].max * 3;
      expect(roundingView(x, format, 'nearest-even', overflow).code).toBe(
        encode(Float32Array.of(x), format, { overflow })[0],
      );
    }
  });

  it('x lies between the two values that are named, and the midpoint between them', () => {
    for (const x of [0.3, -0.3, 3.1, 400, -0.001]) {
      const { low, high, midpoint } = roundingView(x, 'e4m3', 'nearest-even', 'saturate');
      expect(low! <= Math.fround(x) && Math.fround(x) < high!).toBe(true);
      expect(midpoint).toBe((low! + high!) / 2);
    }
  });

  it('stochastic draws have the value as their mean', () => {
    const counts = stochasticCounts(1.03125, 'e4m3', 'saturate', 4096);
    const mean = counts.reduce((sum, { value, count }) => sum + value * count, 0) / 4096;
    expect(mean).toBeCloseTo(1.03125, 2);
  });
});

describe('quantize', () => {
  const input = {
    generate: 'outlier-channels',
    seed: 3,
    dtype: 'bf16',
    exponent: 0,
    share: 0.005,
    factorExponent: 16,
  } as const;
  const request = {
    source: { kind: 'generated', input, rows: 128, columns: 512 },
    schemes: ['per-tensor', 'activation-1x128-pow2', 'mxfp4'],
  } as const;
  const [tensor, tile, mxfp4] = quantizeViews(request);

  it('one scale for the tensor loses the median channel, a scale a tile keeps it', () => {
    expect(tensor!.medianSqnr).toBeLessThan(15);
    expect(tile!.medianSqnr).toBeGreaterThan(29);
    expect(tensor!.underflowed).toBeGreaterThan(4 * tile!.underflowed);
  });

  it('bits a value count the scales', () => {
    expect(tensor!.bitsPerValue).toBeCloseTo(8, 3);
    expect(tile!.bitsPerValue).toBe(8.25);
    expect(mxfp4!.bitsPerValue).toBe(4.25);
  });

  it('what is read back is code times scale, and every nonzero value is in the histogram', () => {
    for (const i of [0, 1000, 65535]) {
      const { codes, factors, grid, columns } = tile!;
      const factor = factors[Math.floor(i / columns) * grid.columns + Math.floor((i % columns) / 128)]!;
      expect(tile!.back[i]).toBe(Math.fround(decode(lanes(codes[i]!), 'e4m3')[0]! * factor));
    }
    const counted = tile!.histogram.counts.reduce((sum, count) => sum + count, 0);
    expect(counted).toBe(tile!.values.filter((x) => x !== 0).length);
  });

  it('what came out as NaN is told, and is no success', () => {
    const values = Float32Array.from({ length: 512 }, (_, i) => (i === 7 ? Number.POSITIVE_INFINITY : i + 0.3));
    const codes = new Uint32Array(values.buffer);
    const given = { kind: 'tensor', tensor: { dtype: 'F32', shape: [2, 256], codes } } as const;
    const [whole, tiles] = quantizeViews({ source: given, schemes: ['per-tensor', 'activation-1x128'] });
    // The Inf takes all that share its scale with it.
    expect([whole!.sqnr, whole!.medianSqnr, whole!.notFinite]).toEqual([Number.NaN, Number.NaN, 1]);
    expect([tiles!.sqnr > 20, tiles!.sqnr < 60, tiles!.notFinite]).toEqual([true, true, 0.25]);
    expect(Number.isFinite(tiles!.medianSqnr)).toBe(true);
  });

  it('every preset can be shown', () => {
    const plain = { ...input, generate: 'normal' } as const;
    const views = quantizeViews({
      source: { kind: 'generated', input: plain, rows: 130, columns: 70 },
      schemes: Object.keys(schemePresets),
    });
    for (const { preset, sqnr } of views) expect([preset, sqnr > 10]).toEqual([preset, true]);
  });

  it('a surface keeps the largest element of each cell', () => {
    const surface = surfaceOf((i) => (i === 299 * 200 + 199 ? 254 : i === 0 ? noLevel : 0), 300, 200);
    expect(surface.levels.at(-1)).toBe(254);
    expect(surface.levels.filter((level) => level > 0)).toHaveLength(1);
    expect(Math.max(...trianglesOf(surface))).toBe(surface.levels.length - 1);
    expect(Array.from(cornersOf(surface).slice(-4))).toEqual([1, 0.5, 1, 1]);
  });

  it('pictures tell zero, ordinary and large apart, and errors of both schemes on one scale', () => {
    const [left, right] = [tensor!, tile!].map(({ pictures }) => pictures);
    expect(left!.magnitude).toBe(right!.magnitude);
    const zero = tensor!.values.indexOf(0);
    if (zero >= 0) expect(left!.magnitude[zero]).toBe(0);
    const levels = Array.from(left!.magnitude).sort((a, b) => a - b);
    expect(levels.at(-1)).toBe(254);
    // Channels 2^16 larger than the others leave these well above the ground.
    expect(levels[levels.length >> 1]).toBeGreaterThan(30);
    expect(levels[levels.length >> 1]).toBeLessThan(127);
    const middle = (errors: Uint8Array) => Array.from(errors).sort((a, b) => a - b)[errors.length >> 1]!;
    expect(middle(left!.error)).toBeGreaterThan(middle(right!.error) + 20);
  });
});

describe('the card of the check', () => {
  const content: CardContent = {
    extent: 'quick',
    adapter: 'any',
    software: false,
    products: 1000,
    productsRecorded: 5000,
    productsDiffering: 0,
    specs: 15,
    specsShipped: 224,
    specsFailed: 0,
    elements: 4096,
    elementsDiffering: 0,
    probe: '146 of 210 operations as IEEE 754 says',
    date: '2026-01-01',
  };

  it('says of the reference alone neither that this GPU gives Hopper’s bits nor that elements were compared', () => {
    const alone = { ...content, elementsDiffering: undefined, probe: undefined };
    const said = (card: CardContent) => [verdictOf(card).text, ...figuresOf(card).flat()].join(' ');
    expect(said(content)).toMatch(/^Yes: Hopper’s bits .* 0 of 4,096 elements of 15 specs differ .* 146 of 210/);
    expect(said(alone)).toMatch(/^The reference has Hopper’s bits 1,000 of 1,000 .* no GPU to compare with$/);
    expect(said(alone)).not.toMatch(/differ|elements|IEEE/);
    expect(verdictOf({ ...alone, productsDiffering: 1 }).good).toBe(false);
  });
});

describe('tensor core', () => {
  it('the bits that are kept add up to the aligned terms, and kept and cut bits to the product', () => {
    const pair = operandsOf('spread', 1);
    const hopper = sumsOf(pair).find(({ name }) => name === 'hopper-wgmma-fp8')!;
    const step = hopper.steps[0]!;
    const alignment = alignmentOf(step, pair)!;
    const worth = (bits: readonly { exponent: number; set: boolean }[]) =>
      bits.reduce((sum, { exponent, set }) => sum + (set ? 2 ** exponent : 0), 0);
    for (const [i, row] of alignment.rows.entries()) {
      const term = step.terms[i]!;
      expect(worth(row.bits)).toBe(Math.abs(Number(term.a.value) * Number(term.b.value)));
      expect(worth(row.bits.filter(({ cut }) => !cut)) / 2 ** alignment.lastExponent).toBe(Math.abs(term.aligned ?? 0));
    }
  });

  it('of an exact sum that is zero there is no relative error, unless the sum is zero too', () => {
    const codes = (values: readonly number[]) =>
      encode(
        Float32Array.from({ length: 32 }, (_, i) => values[i] ?? 0),
        'e4m3',
      ) as Uint8Array;
    const sums = sumsOf({ a: codes([448, -448, 12, 12, -24]), b: codes([448, 448, 1, 1, 1]) });
    const of = (model: string) => sums.find(({ name }) => name === model)!;
    expect(of('exact')).toMatchObject({ value: 0, relative: 0 });
    expect(of('hopper-wgmma-fp8').value).not.toBe(0);
    expect(of('hopper-wgmma-fp8').relative).toBe(Number.POSITIVE_INFINITY);
  });

  it('Hopper loses more than Blackwell, and the exact sum nothing', () => {
    for (const kind of ['normal', 'spread', 'one-large', 'cancel'] as const) {
      const sums = Object.fromEntries(sumsOf(operandsOf(kind, 2)).map((sum) => [sum.name, sum]));
      expect(sums.exact!.relative).toBe(0);
      expect(sums['hopper-wgmma-fp8']!.relative).toBeGreaterThanOrEqual(sums['blackwell-fp8']!.relative);
    }
  });

  it('the error grows with k without promotion and stays where it was with it', () => {
    const series = [
      { name: 'never', model: 'hopper-wgmma-fp8', promoteEvery: 0 },
      { name: 'every 128', model: 'hopper-wgmma-fp8', promoteEvery: 128 },
    ] as const;
    const points = errorCurve({ series, values: 'positive', trials: 32, mostK: 4096, seed: 1 });
    const error = (name: string, k: number) => points.find((point) => point.series === name && point.k === k)!.error;
    expect(error('never', 4096)).toBeGreaterThan(8 * error('never', 128));
    expect(error('every 128', 4096)).toBeLessThan(2 * error('every 128', 128));
    expect(error('never', 4096)).toBeGreaterThan(8 * error('every 128', 4096));
  });
});

describe('completion of specs', () => {
  const root = schema as Schema;
  const gemm = parseTree('{"kernel":"gemm"}');

  it('offers the fields of the kernel that the text names', () => {
    const names = (text: string) => fieldsAt(root, [], parseTree(text)).map(({ name }) => name);
    expect(names('{"kernel":"gemm"}')).toEqual(expect.arrayContaining(['a', 'b', 'arithmetic', 'output']));
    expect(names('{"kernel":"gemm"}')).not.toContain('to');
    expect(names('{"kernel":"requantize"}')).toContain('to');
    expect(names('{')).toEqual(expect.arrayContaining(['kernel', 'a', 'to']));
  });

  it('offers names and values at any depth', () => {
    expect(choicesAt(root, ['a', 'scheme'], gemm)).toEqual(expect.arrayContaining(Object.keys(schemePresets)));
    expect(choicesAt(root, ['arithmetic', 'model', 'output'], gemm)).toContain('e8m13');
    expect(choicesAt(root, ['kernel'], undefined)).toEqual(expect.arrayContaining(['gemm', 'quantize']));
    expect(fieldsAt(root, ['a', 'scheme', 'scale'], gemm).map(({ name }) => name)).toEqual([
      'type',
      'recipe',
      'amaxFloor',
      'layout',
    ]);
    expect(fieldsAt(root, ['a', 'nonsense'], gemm)).toEqual([]);
  });
});

describe('export', () => {
  it('quotes what CSV needs quoted and disarms formulas, not numbers', () => {
    expect(['a,b', 'say "x"', '=1+1', '-5', '-0x', 7, 'plain'].map(csvCell)).toEqual([
      '"a,b"',
      '"say ""x"""',
      "'=1+1",
      '-5',
      "'-0x",
      '7',
      'plain',
    ]);
  });
});
