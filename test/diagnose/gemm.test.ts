import { describe, expect, it } from 'vitest';
import { diagnose } from '../../src/diagnose/index.ts';
import { gemmReference } from '../../src/kernels/gemm/reference.ts';
import type { Arithmetic } from '../../src/numerics/arithmetic.ts';
import { bitsOf, fromBits } from '../../src/numerics/f32.ts';
import type { GemmSpec } from '../../src/specs/types.ts';
import type { Tensors } from '../../src/tensors/tensor.ts';
import { gemmSpec, matrix, models, schemeOf } from '../helpers/specs.ts';

const shape = { m: 16, n: 24, k: 256 };
const budget = 120_000;

const specOf = (
  arithmetic: Partial<Arithmetic> = {},
  output: GemmSpec['output'] = 'f32',
  recipe: 'divide' | 'pow2' = 'divide',
): GemmSpec =>
  gemmSpec({ shape, a: schemeOf({ recipe }), b: schemeOf({ recipe, tile: [128, 128] }), arithmetic, output });

const inputs: Tensors = { a: matrix(shape.m, shape.k, 'bf16'), b: matrix(shape.n, shape.k, 'bf16', 'normal', 2) };

const found = (spec: GemmSpec, d: Tensors['d']) => diagnose(spec, inputs, { d: d! }, { budget });

describe('diagnose gemm', { timeout: 300_000 }, () => {
  it('says so where the kernel did what the spec says', () => {
    const answer = found(specOf(), gemmReference(specOf(), inputs));
    expect(answer.verdict).toBe('as-specified');
    expect(answer.candidates[0]!.deviations).toEqual([]);
    expect(answer.leftover).toEqual([]);
  });

  it.each([
    ['the model', { model: models.ada }, { fraction: '13', terms: '16' }],
    ['its fraction bits', { model: { ...models.hopper, fractionBits: 14 } }, { fraction: '14' }],
    ['the order of k', { model: models.mmaSync }, { order: 'p4', terms: '16' }],
    ['the promotion interval', { promoteEvery: 64 }, { interval: '64' }],
    ['the order of scales', { combine: 'b-then-a' }, { combine: 'b-then-a' }],
    ['an unfused promotion', { promote: 'unfused' }, { promote: 'unfused' }],
    [
      'three of them together',
      { model: models.ada, promoteEvery: 32, combine: 'a-then-b' },
      { terms: '16', interval: '32', combine: 'a-then-b' },
    ],
  ] as const)('names %s', (_, arithmetic, expected) => {
    const answer = found(specOf(), gemmReference(specOf(arithmetic as Partial<Arithmetic>), inputs));
    expect(answer.verdict).toBe('explained');
    expect(answer.candidates[0]!.convention).toMatchObject(expected);
    expect(answer.candidates[0]!.bitsExplained).toBe(1);
    expect(answer.specified.differing).toBeGreaterThan(0);
  });

  it('finds that orders of power-of-two scales cannot be told apart', () => {
    const answer = found(
      specOf({}, 'f32', 'pow2'),
      gemmReference(specOf({ model: models.ada }, 'f32', 'pow2'), inputs),
    );
    expect(answer.candidates[0]!.convention).toMatchObject({ terms: '16' });
    expect(answer.untold.map(({ title }) => title)).toEqual(expect.arrayContaining(['combine', 'promote']));
  });

  it('names another quantizer of the operands', () => {
    const other = {
      ...specOf(),
      a: { ...specOf().a, scheme: schemeOf({ recipe: 'te' }) },
      b: { ...specOf().b, scheme: schemeOf({ recipe: 'deepep', tile: [128, 128] }) },
    };
    const answer = found(specOf(), gemmReference(other, inputs));
    expect(answer.candidates[0]!.convention).toMatchObject({ 'a.recipe': 'te', 'b.recipe': 'deepep' });
  });

  it('names a C that is added twice', () => {
    const spec = { ...specOf(), c: {} } as GemmSpec;
    const given = { ...inputs, c: matrix(shape.m, shape.n, 'f32', 'normal', 3) };
    const { d } = { d: gemmReference(spec, given) };
    const c = given.c.codes;
    const twice = { ...d, codes: d.codes.map((code, i) => bitsOf(Math.fround(fromBits(code) + fromBits(c[i]!)))) };
    const answer = diagnose(spec, given, { d: twice as Tensors['d'] & object }, { budget, ties: false });
    expect(answer.candidates[0]!.deviations.map(({ title, words }) => [title, words])).toEqual([['C', 'added twice']]);
  });

  it('names a D that is written column by column', () => {
    const d = gemmReference(specOf(), inputs);
    const { m, n } = shape;
    const codes = d.codes.map((_, i) => d.codes[(i % m) * n + Math.floor(i / m)]!);
    const answer = diagnose(specOf(), inputs, { d: { ...d, codes } as Tensors['d'] & object }, { budget, ties: false });
    expect(answer.candidates[0]!.deviations.map(({ axis, value }) => [axis, value])).toEqual([['d.transposed', 'yes']]);
  });

  it('works out the first element at which spec and kernel part, block by block', () => {
    const answer = found(specOf(), gemmReference(specOf({ combine: 'a-then-b' }), inputs));
    const [element] = answer.derivations;
    expect(element!.found).toEqual(element!.actual);
    expect(element!.specified).not.toEqual(element!.actual);
    expect(element!.blocks!.found).toHaveLength(2);
    expect(element!.trace.result.code).toBe(element!.actual.code);
  });

  it('admits what it cannot explain, and tells the pattern', () => {
    const d = gemmReference(specOf(), inputs);
    const codes = d.codes.slice() as Uint32Array;
    for (let row = 0; row < shape.m; row++) codes[row * shape.n + 5] = (codes[row * shape.n + 5]! ^ 0x155500) >>> 0;
    const answer = diagnose(specOf(), inputs, { d: { ...d, codes } }, { budget: 5000 });
    expect(answer.verdict).toBe('partly');
    expect(answer.candidates[0]!.differing).toBe(shape.m);
    expect(answer.leftover[0]!.pattern.join()).toContain('column 5');
    expect(answer.derivations).toHaveLength(3);
  });

  it('says of noise that nothing explains it, and names the nearest', () => {
    const d = gemmReference(specOf(), inputs);
    const values = new Float32Array(d.codes.slice().buffer).map((x, i) => x * (1 + ((i * 0.618034) % 1) / 10));
    const noisy = { ...d, codes: new Uint32Array(values.buffer) };
    const answer = diagnose(specOf(), inputs, { d: noisy }, { budget: 2000 });
    expect(answer.verdict).toBe('unexplained');
    expect(answer.candidates[0]!.elementsExplained).toBeLessThan(0.05);
    expect(answer.leftover[0]!.count).toBe(answer.candidates[0]!.differing);
  });

  it('finds the rule under one wrong element, and says which that is', () => {
    const d = gemmReference(specOf({ combine: 'b-then-a' }), inputs);
    const codes = d.codes.map((code, i) => (i === 77 ? code ^ 0x400000 : code)) as Uint32Array;
    const answer = found(specOf(), { ...d, codes });
    expect(answer.verdict).toBe('partly');
    expect(answer.candidates[0]!.convention).toMatchObject({ combine: 'b-then-a' });
    expect(answer.leftover[0]!.first.map(({ coordinates }) => coordinates)).toEqual([[3, 5]]);
  });

  it('diagnoses operands that are given as codes', () => {
    const spec = specOf();
    const given: Tensors = {
      a: matrix(shape.m, shape.k, 'e4m3', 'finite', 3),
      a_scales: matrix(shape.m, 2, 'f32', 'normal', 4),
      b: matrix(shape.n, shape.k, 'e4m3', 'finite', 5),
      b_scales: matrix(1, 2, 'f32', 'normal', 6),
    };
    const answer = diagnose(spec, given, { d: gemmReference(specOf({ model: models.ada }), given) }, { budget });
    expect(answer.candidates[0]!.convention).toMatchObject({ terms: '16' });
  });
});
