import { describe, expect, it } from 'vitest';
import { addMeasures, measureSlice } from '../../src/checkpoint/measure.ts';
import { schemePresets } from '../../src/specs/presets.ts';
import { generatedMatrix, parseInput } from '../../src/studies/matrix.ts';
import { numberIn, rowsOf, rowWhere } from './helpers.ts';

const size = { rows: 256, columns: 384 };

describe('the granularity study', () => {
  it.each([
    ['1x128', 'activation-1x128'],
    ['128x128', 'weight-128x128'],
    ['mxfp8 1x32', 'mxfp8'],
    ['nvfp4 1x16', 'nvfp4'],
    ['per-tensor', 'per-tensor'],
  ] as const)('%s: SQNR and shares are those that `inspect` measures by its own code', async (scheme, preset) => {
    const input = 'outlier-channels:factor=4096,seed=5';
    const row = rowWhere(await rowsOf('granularity', { ...size, schemes: scheme }, [input]), { scheme });
    const { words } = generatedMatrix(parseInput(input, 1)!, size.rows, size.columns, '');
    const amax = words.reduce((largest, word) => Math.max(largest, word & 0x7fffffff), 0);
    const whole = { top: 0, bottom: size.rows, left: 0, right: size.columns };
    const slice = measureSlice(words, whole, size, [schemePresets[preset]], amax);
    const { schemes, energy, elements } = addMeasures(slice, {
      ...slice,
      elements: 0,
      energy: 0,
      schemes: slice.schemes.map(() => ({ error: 0, saturated: 0, underflowed: 0, lost: 0 })),
    });
    expect(numberIn(row, 'sqnr')).toBeCloseTo(10 * Math.log10(energy / schemes[0]!.error), 5);
    expect(numberIn(row, 'underflowed')).toBe(schemes[0]!.underflowed / elements);
    expect(numberIn(row, 'saturated')).toBe(schemes[0]!.saturated / elements);
  });

  it('bits an element are those of its code and its share of the scales', async () => {
    const rows = await rowsOf('granularity', size, ['normal']);
    expect(numberIn(rowWhere(rows, { scheme: '1x128' }), 'bits')).toBe(8.25);
    expect(numberIn(rowWhere(rows, { scheme: '1x64' }), 'bits')).toBe(8.5);
    expect(numberIn(rowWhere(rows, { scheme: 'mxfp8 1x32' }), 'bits')).toBe(8.25);
    expect(numberIn(rowWhere(rows, { scheme: '128x128' }), 'bits')).toBeCloseTo(8 + 32 / 128 ** 2, 10);
    expect(numberIn(rowWhere(rows, { scheme: 'nvfp4 1x16' }), 'bits')).toBeCloseTo(4.5 + 32 / (256 * 384), 10);
  });

  it('outlier tokens hurt blocks that hold other tokens, not 1x128 tiles', async () => {
    const rows = await rowsOf('granularity', size, ['outlier-tokens:factor=4096,share=0.05']);
    expect(numberIn(rowWhere(rows, { scheme: '128x128' }), 'underflowed')).toBeGreaterThan(0.01);
    expect(rowWhere(rows, { scheme: '1x128' }).underflowed).toBe(0);
  });
});

describe('the double-quantization study', () => {
  it('power-of-two scales add no error on ordinary data, f32 scales cost about 3 dB', async () => {
    const rows = await rowsOf('double-quantization', size, ['normal']);
    const sqnr = (way: string): number => numberIn(rowWhere(rows, { way }), 'sqnr');
    expect(rowWhere(rows, { way: 'pow2 to pow2' }).changed).toBe(0);
    expect(sqnr('pow2 to pow2')).toBe(sqnr('once, pow2'));
    expect(sqnr('once, f32') - sqnr('f32 to f32')).toBeGreaterThan(2.5);
    expect(sqnr('once, f32') - sqnr('f32 to f32')).toBeLessThan(3.5);
  });
});

describe('the caching study', () => {
  it('an e4m3 cache with power-of-two scales leaves dw as a bf16 cache does; f32 scales do not', async () => {
    const rows = await rowsOf('caching', size, ['normal']);
    const dw = (cache: string): number => numberIn(rowWhere(rows, { cache }), 'dw_error');
    expect(dw('e4m3 pow2')).toBe(dw('bf16'));
    expect(dw('e4m3 f32')).toBeGreaterThan(1.25 * dw('bf16'));
  });

  it('E5M6 errs an eighth of e4m3 in what attention’s backward needs', async () => {
    const rows = await rowsOf('caching', size, ['normal']);
    const delta = (cache: string): number => numberIn(rowWhere(rows, { cache }), 'delta_error');
    expect(delta('e4m3 pow2') / delta('e5m6 pow2')).toBeGreaterThan(6);
    expect(delta('e4m3 pow2') / delta('e5m6 pow2')).toBeLessThan(10);
  });
});
