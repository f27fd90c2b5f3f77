import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fp8labError } from '../../src/errors.ts';
import { canonicalJson, specIdentity } from '../../src/specs/canonical.ts';
import { arithmeticPresets, modelPresets, schemePresets } from '../../src/specs/presets.ts';
import { resolveScheme, resolveSpec } from '../../src/specs/resolve.ts';

const gemm = {
  fp8lab: 1,
  kernel: 'gemm',
  name: 'test',
  shape: { m: 4, n: 4, k: 256 },
  a: { scheme: 'activation-1x128-pow2', input: { generate: 'normal', seed: 1 } },
  b: { scheme: 'weight-128x128-pow2', input: 'normal' },
};

function refusal(json: unknown): Fp8labError {
  try {
    resolveSpec(json, 'my.json');
  } catch (error) {
    if (error instanceof Fp8labError) return error;
    throw error;
  }
  throw new Error(`accepted ${JSON.stringify(json)}`);
}

describe('resolution', () => {
  it('fills every field', () => {
    const spec = resolveSpec(gemm);
    expect(spec).toMatchObject({
      large: false,
      description: '',
      output: 'bf16',
      arithmetic: arithmeticPresets['hopper-deepgemm'],
      a: { scheme: schemePresets['activation-1x128-pow2'], input: { seed: 1, dtype: 'bf16', exponent: 0 } },
      b: { input: { generate: 'normal', seed: 0 } },
    });
  });

  it('resolving a resolved spec changes nothing', () => {
    const spec = resolveSpec(gemm);
    expect(resolveSpec(spec)).toEqual(spec);
  });

  it('an object changes the preset it names, and a new recipe brings its own floor', () => {
    const scheme = resolveScheme({ preset: 'mxfp8', scale: { recipe: 'mx-ceil' }, rounding: 'toward-zero' });
    expect(scheme).toEqual({
      ...schemePresets.mxfp8,
      rounding: 'toward-zero',
      scale: { ...schemePresets.mxfp8.scale, recipe: 'mx-ceil' },
    });
    expect(resolveScheme({ preset: 'activation-1x128', scale: { recipe: 'torchao' } }).scale.amaxFloor).toBe(1e-12);
  });

  it.each(Object.keys(schemePresets))('the preset %s contradicts nothing', (name) => {
    expect(() =>
      resolveSpec({
        fp8lab: 1,
        kernel: 'quantize',
        name: 'x',
        shape: { rows: 8, columns: 256 },
        x: { input: 'normal' },
        scheme: name,
      }),
    ).not.toThrow();
  });

  it.each(Object.keys(arithmeticPresets))('the arithmetic %s resolves over one scale along k', (name) => {
    const operand = { scheme: 'per-tensor', input: 'normal' };
    expect(() => resolveSpec({ ...gemm, a: operand, b: operand, arithmetic: name })).not.toThrow();
  });

  it.each(Object.keys(modelPresets))('the model %s has its own name', (name) => {
    expect(modelPresets[name as keyof typeof modelPresets].name).toBe(name);
  });
});

describe('refusals say what, where and how to mend it', () => {
  it.each([
    [
      'a misspelt field',
      { ...gemm, shape: { mm: 4, n: 4, k: 4 } },
      'unknown-field',
      'shape.mm',
      'did you mean shape.m?',
    ],
    [
      'a misspelt field at the top',
      { ...gemm, arithmatic: 'exact' },
      'unknown-field',
      'arithmatic',
      'did you mean arithmetic?',
    ],
    ['a misspelt kernel', { ...gemm, kernel: 'gem' }, 'invalid-field', 'kernel', 'did you mean gemm?'],
    [
      'a misspelt preset',
      { ...gemm, arithmetic: 'hoper-deepgemm' },
      'invalid-field',
      'arithmetic',
      'did you mean hopper-deepgemm?',
    ],
    [
      'a misspelt input field',
      { ...gemm, a: { scheme: 'mxfp8', input: { generate: 'normal', sed: 1 } } },
      'unknown-field',
      'a.input.sed',
      'a.input.seed',
    ],
    [
      'a misspelt nested field',
      { ...gemm, a: { scheme: { preset: 'mxfp8', scale: { recipee: 'pow2' } }, input: 'normal' } },
      'unknown-field',
      'a.scheme.scale.recipee',
      'a.scheme.scale.recipe',
    ],
    ['an extent of zero', { ...gemm, shape: { m: 0, n: 1, k: 1 } }, 'invalid-field', 'shape.m', '0'],
    ['a missing shape', { ...gemm, shape: undefined }, 'missing-field', 'shape', 'missing'],
    ['a later format version', { ...gemm, fp8lab: 2 }, 'invalid-field', 'fp8lab', '2'],
    [
      'no promotion under tile scales',
      { ...gemm, arithmetic: 'hopper-unpromoted' },
      'contradiction',
      'arithmetic.promoteEvery',
      '128',
    ],
    [
      'a promotion across scales',
      { ...gemm, arithmetic: { promoteEvery: 96 } },
      'contradiction',
      'arithmetic.promoteEvery',
      '96',
    ],
    ['c without f32 output', { ...gemm, c: { input: 'zero' } }, 'contradiction', 'c', 'bf16'],
    [
      'input and codes',
      { ...gemm, a: { ...gemm.a, codes: { generate: 'bits', dtype: 'e4m3' } } },
      'contradiction',
      'a',
      'codes',
    ],
    [
      'codes without scales',
      { ...gemm, a: { scheme: 'mxfp8', codes: { generate: 'bits', dtype: 'e4m3' } } },
      'contradiction',
      'a',
      'scales',
    ],
    [
      'codes of another format',
      {
        ...gemm,
        a: { scheme: 'mxfp8', codes: { generate: 'bits', dtype: 'e5m2' }, scales: { generate: 'bits', dtype: 'e8m0' } },
      },
      'contradiction',
      'a.codes.dtype',
      'e5m2',
    ],
    [
      'numbers as codes',
      {
        ...gemm,
        a: {
          scheme: 'mxfp8',
          codes: { generate: 'normal', dtype: 'e4m3' },
          scales: { generate: 'bits', dtype: 'e8m0' },
        },
      },
      'contradiction',
      'a.codes.generate',
      'normal',
    ],
    [
      'codes as numbers',
      { ...gemm, a: { scheme: 'mxfp8', input: { generate: 'bits', dtype: 'e4m3' } } },
      'contradiction',
      'a.input.dtype',
      'e4m3',
    ],
    [
      'e8m0 under a division',
      { ...gemm, a: { scheme: { preset: 'activation-1x128', scale: { type: 'e8m0' } }, input: 'normal' } },
      'contradiction',
      'a.scheme.scale',
      'e8m0',
    ],
    [
      'ieee overflow of FP4',
      { ...gemm, a: { scheme: { preset: 'mxfp4', overflow: 'ieee' }, input: 'normal' } },
      'contradiction',
      'a.scheme.overflow',
      'e2m1',
    ],
    [
      'an mx recipe for e5m6',
      { ...gemm, a: { scheme: { preset: 'mxfp8', format: 'e5m6' }, input: 'normal' } },
      'contradiction',
      'a.scheme.format',
      'e5m6',
    ],
    [
      'nvfp4 of e4m3',
      { ...gemm, a: { scheme: { preset: 'nvfp4', format: 'e4m3' }, input: 'normal' } },
      'contradiction',
      'a.scheme.format',
      'e4m3',
    ],
    [
      'packed f32 scales',
      { ...gemm, a: { scheme: { preset: 'activation-1x128', scale: { layout: 'packed-e8m0' } }, input: 'normal' } },
      'contradiction',
      'a.scheme.scale.layout',
      'f32',
    ],
    [
      'more elements than an index holds',
      { ...gemm, shape: { m: 65536, n: 65536, k: 128 } },
      'too-large',
      'shape',
      '4294967296',
    ],
    ['a list', [], 'invalid-field', '', 'object'],
    ['nothing', null, 'invalid-field', '', 'null'],
  ])('%s', (_, json, code, where, words) => {
    const error = refusal(json);
    expect(error.code).toBe(code);
    expect(error.kind).toBe('input');
    expect(error.where).toContain(where === '' ? 'my.json' : `my.json: ${where}`);
    expect(`${error.message} ${error.fix}`).toContain(words);
    expect(error.fix).not.toBe('');
  });

  it('a field named __proto__ is refused and pollutes nothing', () => {
    const hostile = JSON.parse(`{"__proto__": {"polluted": true}, "fp8lab": 1, "kernel": "gemm"}`);
    expect(refusal(hostile).message).toContain('__proto__');
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it('depth and size are bounded', () => {
    let deep: unknown = 1;
    for (let i = 0; i < 10000; i++) deep = { a: deep };
    expect(refusal(deep).code).toBe('too-deep');
    expect(refusal({ list: Array.from({ length: 100000 }, () => 0) }).code).toBe('too-large');
  });

  it('whatever JSON it is given, it resolves or throws Fp8labError', () => {
    const keys = [
      'fp8lab',
      'kernel',
      'name',
      'shape',
      'a',
      'b',
      'x',
      'scheme',
      'input',
      'm',
      'tile',
      'scale',
      'preset',
      '__proto__',
      'to',
    ];
    const json = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.constantFrom('gemm', 'quantize', 'normal', 'mxfp8', 1, 0, -1, 1e300, null, true, 'x'),
        fc.dictionary(fc.constantFrom(...keys), tie('value')),
        fc.array(tie('value'), { maxLength: 3 }),
      ),
    })).value;
    fc.assert(
      fc.property(json, (value) => {
        try {
          resolveSpec(value);
        } catch (error) {
          expect(error).toBeInstanceOf(Fp8labError);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('one field changed at random in a good spec never escapes as another error', () => {
    const paths = [
      'fp8lab',
      'kernel',
      'name',
      'shape',
      'a',
      'b',
      'arithmetic',
      'output',
      'c',
      'large',
      'description',
    ] as const;
    fc.assert(
      fc.property(fc.constantFrom(...paths), fc.jsonValue({ maxDepth: 3 }), (path, value) => {
        try {
          resolveSpec({ ...gemm, [path]: value });
        } catch (error) {
          expect(error).toBeInstanceOf(Fp8labError);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe('identity', () => {
  it('canonical JSON sorts keys and drops what is undefined', () => {
    expect(canonicalJson({ b: [1, { d: 'x', c: null }], a: 1e-4, u: undefined })).toBe(
      '{"a":0.0001,"b":[1,{"c":null,"d":"x"}]}',
    );
  });

  it('names and descriptions are no part of it; everything that changes a bit is', async () => {
    const identity = (change: object): Promise<string> => specIdentity(resolveSpec({ ...gemm, ...change }));
    const plain = await identity({});
    expect(plain).toMatch(/^[0-9a-f]{64}$/);
    expect(await identity({ name: 'other', description: 'words', large: true })).toBe(plain);
    expect(await identity({ arithmetic: 'hopper-deepgemm' })).toBe(plain);
    const changes = [
      { shape: { m: 5, n: 4, k: 256 } },
      { output: 'f32' },
      { arithmetic: 'exact' },
      { b: { scheme: 'weight-128x128', input: 'normal' } },
    ];
    for (const change of changes) expect(await identity(change)).not.toBe(plain);
  });
});
