import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { kernelOf } from '../../src/kernels/index.ts';
import type { Arithmetic, TensorCoreModel } from '../../src/numerics/arithmetic.ts';
import { encodeFormats, encodeScaledBits, roundings } from '../../src/numerics/codec.ts';
import { bitsOf } from '../../src/numerics/f32.ts';
import { type FormatName, formats } from '../../src/numerics/formats.ts';
import { powerOfTwoRecipes, tileScale } from '../../src/numerics/scale.ts';
import {
  type ScaleLayout,
  type ScaleRecipe,
  type ScaleType,
  type Scheme,
  scaleRecipes,
} from '../../src/numerics/scheme.ts';
import { blockSum } from '../../src/numerics/tensor-core.ts';
import { coordinatesOf } from '../../src/parity/compare.ts';
import { createTracer, renderTrace, traceElement } from '../../src/parity/explain.ts';
import { traceEncode } from '../../src/parity/trace/encode.ts';
import { traceBlock } from '../../src/parity/trace/product.ts';
import { traceScale } from '../../src/parity/trace/scale.ts';
import { f32, Recorder } from '../../src/parity/trace/steps.ts';
import type { GemmSpec, ResolvedSpec } from '../../src/specs/types.ts';
import { dtypeOfFormat, type Tensor, type Tensors } from '../../src/tensors/tensor.ts';

const recipes: readonly ScaleRecipe[] = scaleRecipes;

function scheme(
  recipe: ScaleRecipe,
  change: Partial<Scheme> & { type?: ScaleType; layout?: ScaleLayout } = {},
): Scheme {
  const { type = recipe === 'nvfp4' ? 'e4m3' : 'f32', layout = 'row-major', ...rest } = change;
  return {
    format: recipe === 'nvfp4' ? 'e2m1' : 'e4m3',
    tile: [1, 16],
    scale: { type, recipe, amaxFloor: recipe.startsWith('mx') || recipe === 'te' ? 0 : 1e-4, layout },
    rounding: 'nearest-even',
    overflow: 'saturate',
    seed: 7,
    ...rest,
  };
}

const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });

/** f32 bits of moderate size mostly, of any kind sometimes. */
const f32Word = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(word, fc.integer({ min: 115, max: 140 })).map(([w, e]) => ((w & 0x807fffff) | (e << 23)) >>> 0),
  },
  { weight: 1, arbitrary: word },
  { weight: 1, arbitrary: fc.constantFrom(0, 0x80000000, 0x7f800000, 0x7fc00000, 1, 0x43e80000, 0x43e00000) },
);

function tensor(words: readonly number[], shape: readonly number[]): Tensor {
  return { dtype: 'F32', shape, codes: Uint32Array.from(words) };
}

/** Every element of every result, derived, has the reference's bits. */
function expectTracesToMatch(spec: ResolvedSpec, inputs: Tensors): void {
  const trace = createTracer(spec, inputs);
  for (const [name, result] of Object.entries(kernelOf(spec).reference(spec, inputs))) {
    for (let i = 0; i < result.codes.length; i++) {
      const derived = trace(name, coordinatesOf(i, result.shape));
      expect([name, i, Number(derived.result.code)]).toEqual([name, i, result.codes[i]]);
    }
  }
}

const base = { fp8lab: 1, name: 'test', description: '', large: false } as const;
const input = { generate: 'zero', seed: 0, dtype: 'f32', exponent: 0, share: 0, factorExponent: 0 } as const;
const matrix = (rows: number, columns: number): fc.Arbitrary<Tensor> =>
  fc
    .array(f32Word, { minLength: rows * columns, maxLength: rows * columns })
    .map((words) => tensor(words, [rows, columns]));

/** Without NaN and Inf, which would mark most tiles and hide the arithmetic. */
const finiteMatrix = (rows: number, columns: number): fc.Arbitrary<Tensor> =>
  fc
    .array(fc.float({ noNaN: true, min: -8, max: 8 }), { minLength: rows * columns, maxLength: rows * columns })
    .map((values) => tensor(values.map(bitsOf), [rows, columns]));

describe('a derived code', () => {
  const cases = encodeFormats
    .filter((name) => formats[name].specials !== 'scale')
    .flatMap((format) =>
      (['saturate', 'ieee'] as const)
        .filter((overflow) => overflow === 'saturate' || formats[format].specials !== 'finite')
        .map((overflow) => [format, overflow] as const),
    );

  it.each(cases)('in %s with %s is the one the encoder gives, in every rounding', (format, overflow) => {
    fc.assert(
      fc.property(
        f32Word,
        fc.integer({ min: -140, max: 140 }),
        fc.boolean(),
        fc.constantFrom(...roundings),
        word,
        (bits, exponent, shifted, rounding, random) => {
          const shift = shifted && format !== 'f32' ? exponent : 0;
          const encoding = { format, rounding, overflow, random };
          const derived = traceEncode(new Recorder(), f32('x', bits), shift, encoding);
          expect(Number(derived.code)).toBe(encodeScaledBits(bits, shift, formats[format], rounding, overflow, random));
        },
      ),
      { numRuns: 1500 },
    );
  });

  it('says between which codes the value lay and what decided', () => {
    const recorder = new Recorder();
    traceEncode(recorder, f32('x', bitsOf(1.0625)), 0, {
      format: 'e4m3',
      rounding: 'nearest-even',
      overflow: 'saturate',
    });
    expect(recorder.steps[0]).toMatchObject({
      operands: [{ value: '1.0625' }, { name: 'below', value: '1' }, { name: 'above', value: '1.125' }],
      result: { code: '0x38' },
      note: '0.5 of the step from 1 to 1.125: a tie; the code below is even, so toward zero',
    });
  });
});

describe('a derived scale', () => {
  const elementFormats: FormatName[] = ['e4m3', 'e5m2', 'e2m1', 'e2m3', 'e3m2', 'e5m6'];

  it.each(recipes)('of recipe %s is the one tileScale gives', (recipe) => {
    const types: ScaleType[] = powerOfTwoRecipes.has(recipe) ? ['f32', 'e8m0'] : [recipe === 'nvfp4' ? 'e4m3' : 'f32'];
    const magnitude = f32Word.map((bits) => bits & 0x7fffffff);
    fc.assert(
      fc.property(
        magnitude,
        magnitude,
        fc.constantFrom(...types),
        fc.constantFrom(...elementFormats),
        (amax, second, type, format) => {
          const chosen = scheme(recipe, { type, format: recipe === 'nvfp4' ? 'e2m1' : format });
          const tensorScale = second > 0x7f800000 ? 0x7fffffff : second;
          const want = tileScale(amax, chosen, recipe === 'nvfp4' ? tensorScale : undefined);
          const got = traceScale(
            new Recorder(),
            f32('amax', amax),
            chosen,
            recipe === 'nvfp4' ? f32('g', tensorScale) : undefined,
          );
          expect(Number(got.stored.code)).toBe(want.stored);
          expect(got.factor).toEqual(want.factor);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('a derived sum', () => {
  const model = (change: Partial<TensorCoreModel>): TensorCoreModel => ({
    name: 'm',
    kind: 'aligned',
    fractionBits: 13,
    terms: 32,
    output: 'e8m13',
    order: 'linear',
    ...change,
  });
  const models: [string, TensorCoreModel][] = [
    ['Hopper FP8', model({})],
    ['Hopper FP8 by pairs', model({ terms: 16, order: 'p4' })],
    ['Blackwell FP8', model({ fractionBits: 25, output: 'f32-rz' })],
    ['f16 output', model({ output: 'f16-rne' })],
    ['exact', model({ kind: 'exact' })],
    ['sequential', model({ kind: 'sequential' })],
  ];

  it.each(models)('of the model %s is the one blockSum gives', (_, chosen) => {
    for (const format of ['e4m3', 'e5m2', 'bf16', 'e2m1'] as const) {
      const top = 2 ** formats[format].bits - 1;
      const finite = fc
        .integer({ min: 0, max: top })
        .map((code) => ((code % 16) * 7 + (formats[format].bits > 8 ? 0x3f00 : 40)) & top);
      const codes = fc.array(
        fc.oneof({ weight: 20, arbitrary: finite }, { weight: 1, arbitrary: fc.integer({ min: 0, max: top }) }),
        { minLength: 1, maxLength: 150 },
      );
      fc.assert(
        fc.property(codes, codes, (a, b) => {
          const count = Math.min(a.length, b.length);
          const want = blockSum(chosen, format, format)({ codes: a, offset: 0 }, { codes: b, offset: 0 }, count);
          const { partial } = traceBlock(chosen, { a, b, formats: [format, format] }, 0, count);
          expect(Number(partial.code)).toBe(bitsOf(want));
        }),
        { numRuns: 150 },
      );
    }
  });
});

describe('a derived element has the bits of the reference', () => {
  const quantize = (chosen: Scheme, rows: number, columns: number): ResolvedSpec => ({
    ...base,
    kernel: 'quantize',
    shape: { rows, columns },
    x: { input },
    scheme: chosen,
  });

  it.each(recipes)('quantize, recipe %s', (recipe) => {
    fc.assert(
      fc.property(matrix(3, 20), (x) => expectTracesToMatch(quantize(scheme(recipe), 3, 20), { x })),
      { numRuns: 20 },
    );
  });

  it.each([
    ['mn-major', 'f32', [1, 4]],
    ['packed-e8m0', 'e8m0', [1, 4]],
    ['row-major', 'f32', [2, 0]],
  ] as const)('quantize, layout %s, tile %j', (layout, type, tile) => {
    fc.assert(
      fc.property(matrix(3, 22), (x) =>
        expectTracesToMatch(quantize(scheme('pow2', { layout, type, tile }), 3, 22), { x }),
      ),
      { numRuns: 10 },
    );
  });

  it('quantize, stochastic rounding', () => {
    fc.assert(
      fc.property(finiteMatrix(3, 20), (x) =>
        expectTracesToMatch(quantize(scheme('divide', { rounding: 'stochastic' }), 3, 20), { x }),
      ),
      { numRuns: 20 },
    );
  });

  it.each(['bf16', 'f16', 'f32'] as const)('dequantize to %s', (output) => {
    for (const recipe of ['divide', 'nvfp4', 'mx-even'] as const) {
      const spec: ResolvedSpec = {
        ...base,
        kernel: 'dequantize',
        shape: { rows: 3, columns: 20 },
        x: { scheme: scheme(recipe), input },
        output,
      };
      fc.assert(
        fc.property(matrix(3, 20), (x) => expectTracesToMatch(spec, { x })),
        { numRuns: 8 },
      );
    }
  });

  it('dequantize of given codes and scales', () => {
    const spec: ResolvedSpec = {
      ...base,
      kernel: 'dequantize',
      shape: { rows: 2, columns: 16 },
      x: { scheme: scheme('divide'), codes: input, scales: input },
      output: 'bf16',
    };
    const codes: Tensor = {
      dtype: dtypeOfFormat.e4m3,
      shape: [2, 16],
      codes: Uint8Array.from({ length: 32 }, (_, i) => i * 8),
    };
    expectTracesToMatch(spec, { codes, scales: tensor([0x3f000001, 0x3f000003], [2, 1]) });
  });

  it('requantize', () => {
    const spec: ResolvedSpec = {
      ...base,
      kernel: 'requantize',
      shape: { rows: 5, columns: 20 },
      x: { scheme: scheme('divide'), input },
      to: scheme('pow2', { tile: [4, 1] }),
    };
    fc.assert(
      fc.property(matrix(5, 20), (x) => expectTracesToMatch(spec, { x })),
      { numRuns: 8 },
    );
  });

  const arithmetic: Arithmetic = {
    model: { name: 'hopper-wgmma-fp8', kind: 'aligned', fractionBits: 13, terms: 32, output: 'e8m13', order: 'linear' },
    promoteEvery: 32,
    combine: 'scales-first',
    promote: 'fused',
  };
  const gemm = (change: Partial<GemmSpec> = {}): GemmSpec => ({
    ...base,
    kernel: 'gemm',
    shape: { m: 2, n: 3, k: 70 },
    a: { scheme: scheme('divide', { tile: [1, 32] }), input },
    b: { scheme: scheme('divide', { tile: [32, 32] }), input },
    arithmetic,
    output: 'bf16',
    ...change,
  });
  const operands = fc.record({ a: finiteMatrix(2, 70), b: finiteMatrix(3, 70) });

  it.each(
    (['scales-first', 'a-then-b', 'b-then-a'] as const).flatMap((combine) =>
      (['fused', 'unfused'] as const).map((promote) => [combine, promote] as const),
    ),
  )('gemm, %s, %s', (combine, promote) => {
    fc.assert(
      fc.property(operands, (inputs) =>
        expectTracesToMatch(gemm({ arithmetic: { ...arithmetic, combine, promote } }), inputs),
      ),
      { numRuns: 10 },
    );
  });

  it('gemm with C, with NaN, in nvfp4, and unpromoted', () => {
    fc.assert(
      fc.property(operands, finiteMatrix(2, 3), (inputs, c) => {
        expectTracesToMatch(gemm({ output: 'f32', c: { input } }), { ...inputs, c });
        const spoilt = { ...inputs.a, codes: inputs.a.codes.slice() };
        spoilt.codes[40] = 0x7f800000;
        expectTracesToMatch(gemm(), { ...inputs, a: spoilt });
        const small = scheme('nvfp4', { tile: [1, 16] });
        const blocks = { ...arithmetic, promoteEvery: 16 };
        expectTracesToMatch(
          gemm({ a: { scheme: small, input }, b: { scheme: small, input }, arithmetic: blocks }),
          inputs,
        );
        const whole = scheme('pow2', { tile: [0, 0], type: 'e8m0' });
        expectTracesToMatch(
          gemm({
            a: { scheme: whole, input },
            b: { scheme: whole, input },
            arithmetic: { ...arithmetic, promoteEvery: 0 },
          }),
          inputs,
        );
      }),
      { numRuns: 8 },
    );
  });

  it('its text shows the terms, what was cut off, and the result', () => {
    const ramp = (rows: number): Tensor =>
      tensor(
        Array.from({ length: rows * 70 }, (_, i) => bitsOf(1 + ((i * 37) % 101) / 25)),
        [rows, 70],
      );
    const trace = traceElement(gemm(), { a: ramp(2), b: ramp(3) }, 'd', [1, 2]);
    const text = renderTrace(trace, 'terms');
    expect(text).toContain(`d[1, 2] of test = ${trace.result.value} (${trace.result.code})`);
    expect(text).toContain('Block k = 64 to 69');
    expect(text).toMatch(/cut off/);
    expect(text.split('\n').filter((line) => /^\s+\d+ {2}/.test(line))).toHaveLength(70);
    expect(renderTrace(trace)).not.toContain('cut off');
    expect(JSON.parse(JSON.stringify(trace))).toEqual(trace);
  });

  it.each([
    ['e', [0, 0], 'unknown-tensor'],
    ['d', [2, 0], 'out-of-range'],
    ['d', [0], 'out-of-range'],
    ['d', [0, 0.5], 'out-of-range'],
  ])('an element that is not there is refused: %s %j', (name, coordinates, code) => {
    const inputs = { a: tensor(new Array(140).fill(0), [2, 70]), b: tensor(new Array(210).fill(0), [3, 70]) };
    expect(() => traceElement(gemm(), inputs, name, coordinates)).toThrow(expect.objectContaining({ code }));
  });
});
