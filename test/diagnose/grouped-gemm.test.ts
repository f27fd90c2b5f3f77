import { describe, expect, it } from 'vitest';
import { diagnose } from '../../src/diagnose/index.ts';
import { layoutOfSizes } from '../../src/kernels/grouped-gemm/layout.ts';
import { groupedGemmReference } from '../../src/kernels/grouped-gemm/reference.ts';
import { quantizeReference } from '../../src/kernels/quantize/reference.ts';
import type { Arithmetic } from '../../src/numerics/arithmetic.ts';
import type { GroupedGemmSpec } from '../../src/specs/types.ts';
import type { Tensor, Tensors } from '../../src/tensors/tensor.ts';
import { groupedGemmSpec, integers, matrix, models, schemeOf, stack } from '../helpers/specs.ts';

const [groups, n, k] = [4, 24, 256];
const budget = 120_000;

const operands = { a: schemeOf({ recipe: 'divide' }), b: schemeOf({ recipe: 'divide', tile: [128, 128] }) };

/** Rows of 70, 0, 9 and 66 at multiples of 32. */
const sizes = [70, 0, 9, 66];
const owners = [96, 0, 32, 96].flatMap((rows, group) =>
  Array.from({ length: rows }, (_, i) => (i < sizes[group]! ? group : -1)),
);
const contiguous = (arithmetic: Partial<Arithmetic> = {}): GroupedGemmSpec =>
  groupedGemmSpec({ shape: { groups, m: 224, n, k }, alignment: 32, ...operands, arithmetic });
const inputs: Tensors = {
  a: matrix(224, k, 'bf16'),
  b: stack(matrix(groups * n, k, 'bf16', 'normal', 2), groups),
  group_layout: integers(owners),
};

/** D with each row's B chosen anew: the test's own way to a wrong expert. */
const withGroups = (groupOf: (group: number, row: number) => number): Tensor =>
  groupedGemmReference(contiguous(), { ...inputs, group_layout: integers(owners.map((g, row) => groupOf(g, row))) });

/** The first rule that gives every bit: ties take long, and `as-specified` has them. */
const found = (d: Tensor, given = inputs) => diagnose(contiguous(), given, { d }, { budget, ties: false });

/** Bell-shaped A and B of a spec, and the layout of its sizes. */
function inputsOf(spec: GroupedGemmSpec): Tensors {
  const { m, k } = spec.shape;
  const groups = spec.shape.groups;
  const a = matrix(spec.layout === 'masked' ? groups * m : m, k, 'bf16');
  const b = matrix(spec.layout === 'k-grouped' ? n : groups * n, k, 'bf16', 'normal', 2);
  return {
    a: spec.layout === 'masked' ? stack(a, groups) : a,
    b: spec.layout === 'k-grouped' ? b : stack(b, groups),
    group_layout: integers(layoutOfSizes(spec, spec.sizes!)),
  };
}

/** Matrices as one stack. */
function joined(tensors: readonly Tensor[]): Tensor {
  const { dtype, shape, codes } = tensors[0]!;
  const all = new (codes.constructor as Uint8ArrayConstructor)(tensors.length * codes.length);
  for (const [i, tensor] of tensors.entries()) all.set(tensor.codes as Uint8Array, i * codes.length);
  return { dtype, shape: [tensors.length, ...shape], codes: all };
}

/** Rows of D replaced. */
function rowsOf(d: Tensor, change: (row: number) => Tensor | undefined): Tensor {
  const codes = d.codes.slice() as Uint32Array;
  for (let row = 0; row < codes.length / n; row++) {
    const other = change(row);
    if (other !== undefined) codes.set(other.codes.subarray(row * n, (row + 1) * n), row * n);
  }
  return { ...d, codes };
}
const zeros = (d: Tensor): Tensor => ({ ...d, codes: new Uint32Array(d.codes.length) });

describe('diagnose grouped-gemm', { timeout: 300_000 }, () => {
  it('says so where the kernel did what the spec says', () => {
    const answer = diagnose(contiguous(), inputs, { d: groupedGemmReference(contiguous(), inputs) }, { budget });
    expect(answer.verdict).toBe('as-specified');
    expect(answer.leftover).toEqual([]);
  });

  it('names what a gemm has, in every group', () => {
    const spec = contiguous({ model: models.ada, promoteEvery: 64 });
    const answer = found(groupedGemmReference(spec, inputs));
    expect(answer.verdict).toBe('explained');
    expect(answer.candidates[0]!.convention).toMatchObject({ terms: '16', interval: '64', 'group.b': 'own' });
    expect(answer.derivations[0]!.trace.result.code).toBe(answer.derivations[0]!.actual.code);
  });

  it.each([
    ['the expert after', (g: number) => (g < 0 ? g : Math.min(g + 1, 3)), { 'group.b': 'next' }],
    ['one expert for all', (g: number) => Math.min(g, 0), { 'group.b': 'first' }],
    ['experts counted among those with rows', (g: number) => [0, 0, 1, 2][g] ?? -1, { 'group.b': 'counted' }],
    [
      'padding computed with the expert before it',
      (g: number, row: number) => (g < 0 ? (row < 96 ? 0 : row < 128 ? 2 : 3) : g),
      { padding: 'before' },
    ],
  ] as const)('names %s', (_, groupOf, expected) => {
    const answer = found(withGroups(groupOf as (g: number, row: number) => number));
    expect(answer.verdict).toBe('explained');
    expect(answer.candidates[0]!.convention).toMatchObject(expected);
  });

  it('names padding computed with the first expert, and one expert whose scales serve all', () => {
    const d = groupedGemmReference(contiguous(), inputs);
    const first = withGroups(() => 0);
    const padded = found(rowsOf(d, (row) => (owners[row]! < 0 ? first : undefined)));
    expect(padded.candidates[0]!.convention).toMatchObject({ padding: 'first', 'group.b': 'own' });
    const experts = Array.from({ length: groups }, (_, group) =>
      quantizeReference(matrix(n, k, 'bf16', 'normal', 2 + group), operands.b),
    );
    const given = (scalesOf: (group: number) => number): Tensors => ({
      ...inputs,
      b: joined(experts.map(({ codes }) => codes)),
      b_scales: joined(experts.map((_, group) => experts[scalesOf(group)]!.scales)),
    });
    const answer = found(
      groupedGemmReference(
        contiguous(),
        given(() => 0),
      ),
      given((group) => group),
    );
    expect(answer.verdict).toBe('explained');
    expect(answer.candidates[0]!.convention).toMatchObject({ 'group.scales': 'first', 'group.b': 'own' });
  });

  it.each([
    ['masked', { m: 40 }, [30, 0, 9, 40], { promote: 'unfused' }, { promote: 'unfused' }],
    ['offsets', { m: 160 }, [30, 0, 9, 40], { combine: 'b-then-a' }, { combine: 'b-then-a' }],
    ['k-grouped', { m: 40, k: 704 }, [256, 0, 130, 70], { promoteEvery: 64 }, { interval: '64' }],
  ] as const)('names a rule of groups that are %s', (layout, shape, sizes, arithmetic, expected) => {
    const spec = (arithmetic: Partial<Arithmetic> = {}): GroupedGemmSpec =>
      groupedGemmSpec({
        layout,
        shape: { groups, n, k, ...shape },
        alignment: layout === 'masked' ? 1 : layout === 'offsets' ? 32 : 128,
        sizes,
        ...operands,
        ...(layout === 'k-grouped' && { b: operands.a }),
        arithmetic,
      });
    const given = inputsOf(spec());
    const d = groupedGemmReference(spec(arithmetic), given);
    const answer = diagnose(spec(), given, { d }, { budget, ties: false });
    expect(answer.verdict).toBe('explained');
    expect(answer.candidates[0]!.convention).toMatchObject(expected);
    expect(answer.candidates[0]!.deviations).toHaveLength(1);
  });

  it('names a C that is added twice, in a group without k too', () => {
    const shape = { groups: 3, m: 8, n, k: 384 };
    const layout = { layout: 'k-grouped', alignment: 128, sizes: [128, 0, 70], c: true } as const;
    const spec = groupedGemmSpec({ ...layout, shape, ...operands, b: operands.a });
    const given = { ...inputsOf(spec), c: stack(matrix(24, n, 'f32', 'normal', 5), 3) };
    const once = groupedGemmReference(spec, given);
    const [d, c] = [once, given.c].map(({ codes }) => new Float32Array((codes as Uint32Array).slice().buffer));
    const codes = new Uint32Array(d!.map((sum, i) => Math.fround(c![i]! + sum)).buffer);
    const answer = diagnose(spec, given, { d: { ...once, codes } }, { budget, ties: false });
    expect(answer.verdict).toBe('explained');
    expect(answer.candidates[0]!.convention).toMatchObject({ c: 'twice', padding: 'zero' });
  });

  it('names rows of A that are read right behind the former group', () => {
    const sizes = [30, 5, 40];
    const spec = groupedGemmSpec({
      layout: 'offsets',
      shape: { groups: 3, m: 104, n, k },
      alignment: 32,
      sizes,
      ...operands,
    });
    const given = inputsOf(spec);
    const a = given.a!;
    const codes = a.codes.slice() as Uint16Array;
    for (const [start, count, former] of [
      [32, 5, 30],
      [64, 40, 37],
    ] as const)
      codes.set(a.codes.subarray(former * k, (former + count) * k), start * k);
    const d = groupedGemmReference(spec, { ...given, a: { ...a, codes } });
    const answer = diagnose(spec, given, { d }, { budget, ties: false });
    expect(answer.verdict).toBe('explained');
    expect(answer.candidates[0]!.convention).toMatchObject({ 'group.rows': 'unaligned' });
  });

  it('names rows that are missing, and padding that is not written', () => {
    const d = groupedGemmReference(contiguous(), inputs);
    const starts = [0, 96, 96, 128];
    const last = rowsOf(d, (row) => (owners[row]! >= 0 && owners[row + 1] !== owners[row] ? zeros(d) : undefined));
    expect(found(last).candidates[0]!.convention).toMatchObject({ 'group.rows': 'last-missing' });
    const tiles = rowsOf(d, (row) => {
      const group = owners[row]!;
      return group >= 0 && row - starts[group]! >= 64 * Math.floor(sizes[group]! / 64) ? zeros(d) : undefined;
    });
    expect(found(tiles).candidates[0]!.convention).toMatchObject({ 'group.rows': 'tiles-64' });
    const noise = { ...d, codes: d.codes.map((_, i) => 0x3f800000 + (i % 977)) as Uint32Array };
    const unwritten = found(rowsOf(d, (row) => (owners[row]! < 0 ? noise : undefined)));
    expect(unwritten.verdict).toBe('explained');
    expect(unwritten.candidates[0]!.convention).toMatchObject({ padding: 'unwritten' });
  });
});
