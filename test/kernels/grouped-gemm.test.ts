import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gemmReference } from '../../src/kernels/gemm/reference.ts';
import { layoutOfSizes } from '../../src/kernels/grouped-gemm/layout.ts';
import { kernelOf } from '../../src/kernels/index.ts';
import { fromBits } from '../../src/numerics/f32.ts';
import type { GroupedGemmSpec, GroupLayout } from '../../src/specs/types.ts';
import { allocateCodes, type Tensor, type Tensors } from '../../src/tensors/tensor.ts';
import { describeGpu, newGpu } from '../helpers/gpu.ts';
import { againstReference, mismatches, runOnGpu } from '../helpers/parity.ts';
import { gemmSpec, groupedGemmSpec, integers, matrix, models, schemeOf, stack } from '../helpers/specs.ts';

interface Case {
  readonly spec: GroupedGemmSpec;
  readonly inputs: Tensors;
}

interface Fields {
  readonly layout: GroupLayout;
  readonly sizes: readonly number[];
  readonly n: number;
  readonly k: number;
  readonly alignment: number;
  readonly c?: boolean;
  readonly seed?: number;
}

/** Rows, or k, that groups of these sizes take, with some to spare. */
function extentOf({ layout, sizes, alignment }: Fields): number {
  if (layout === 'masked') return Math.max(...sizes, 1) + 1;
  return Math.max(sizes.reduce((at, size) => Math.ceil(at / alignment) * alignment + size, 0) + 2, 1);
}

/** bf16 operands of a grouped gemm; every NaN pattern and Inf stands where no group is. */
function caseOf(fields: Fields, change: Parameters<typeof groupedGemmSpec>[0] = {}): Case {
  const { layout, sizes, n, alignment, seed = 1 } = fields;
  const groups = sizes.length;
  const long = extentOf(fields);
  const [m, k] = layout === 'k-grouped' ? [fields.k, long] : [long, fields.k];
  const spec = groupedGemmSpec({
    layout,
    shape: { groups, m, n, k },
    alignment: layout === 'masked' ? 1 : alignment,
    sizes,
    c: fields.c ?? false,
    ...change,
  });
  const flat = { a: matrix(layout === 'masked' ? groups * m : m, k, 'bf16', 'normal', seed) };
  const inputs: Record<string, Tensor> = {
    a: layout === 'masked' ? stack(flat.a, groups) : flat.a,
    b:
      layout === 'k-grouped'
        ? matrix(n, k, 'bf16', 'normal', seed + 1)
        : stack(matrix(groups * n, k, 'bf16', 'normal', seed + 1), groups),
    group_layout: integers(layoutOfSizes(spec, sizes)),
  };
  if (fields.c) {
    const stacked = layout === 'masked' || layout === 'k-grouped';
    const c = matrix(stacked ? groups * m : m, n, 'f32', 'normal', seed + 2);
    inputs.c = stacked ? stack(c, groups) : c;
  }
  return { spec, inputs: poisoned(spec, inputs) };
}

/** Starts of groups in A (k-grouped: along k), counted by hand. */
function startsOf({ layout, alignment, shape }: GroupedGemmSpec, sizes: readonly number[]): number[] {
  let at = 0;
  return sizes.map((size, group) => {
    if (layout === 'masked') return group * shape.m;
    const start = Math.ceil(at / alignment) * alignment;
    at = start + size;
    return start;
  });
}

/** NaN and Inf wherever no group is: nothing of it may reach a result. */
function poisoned(spec: GroupedGemmSpec, inputs: Tensors): Tensors {
  const sizes = spec.sizes!;
  const starts = startsOf(spec, sizes);
  const inside = (at: number): boolean => starts.some((start, g) => at >= start && at < start + sizes[g]!);
  const { k } = spec.shape;
  const poison = (tensor: Tensor): Tensor => ({
    ...tensor,
    codes: tensor.codes.map((code, i) => {
      const at = spec.layout === 'k-grouped' ? i % k : Math.floor(i / k);
      return inside(at) ? code : i % 2 === 0 ? 0x7fc0 : 0xff80;
    }) as Tensor['codes'],
  });
  const a = poison(inputs.a!);
  return spec.layout === 'k-grouped' ? { ...inputs, a, b: poison(inputs.b!) } : { ...inputs, a };
}

function cut(tensor: Tensor, columns: number, row: number, rows: number, column: number, count: number): Tensor {
  const codes = allocateCodes(tensor.dtype, rows * count);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < count; i++) codes[r * count + i] = tensor.codes[(row + r) * columns + column + i]!;
  }
  return { dtype: tensor.dtype, shape: [rows, count], codes };
}

/** D by a gemm of each group alone, from nothing but its own rows of the inputs. */
function groupByGroup({ spec, inputs }: Case): Tensors {
  const { m, n, k } = spec.shape;
  const sizes = spec.sizes!;
  const starts = startsOf(spec, sizes);
  const shape = kernelOf(spec).results(spec)[0]!.shape;
  const d = allocateCodes(
    'F32',
    shape.reduce((product, extent) => product * extent, 1),
  );
  sizes.forEach((size, group) => {
    const byK = spec.layout === 'k-grouped';
    const rows = byK ? m : size;
    const depth = byK ? size : k;
    const first = byK ? group * m : starts[group]!;
    if (rows === 0) return;
    const c = inputs.c === undefined ? undefined : cut(inputs.c, n, first, rows, 0, n);
    if (depth === 0) {
      if (c !== undefined) d.set(c.codes, first * n);
      return;
    }
    const alone = gemmSpec({
      shape: { m: rows, n, k: depth },
      a: spec.a.scheme,
      b: spec.b.scheme,
      c: c !== undefined,
      arithmetic: spec.arithmetic,
      output: spec.output,
    });
    const own = gemmReference(alone, {
      a: byK ? cut(inputs.a!, k, 0, m, starts[group]!, size) : cut(inputs.a!, k, starts[group]!, size, 0, k),
      b: byK ? cut(inputs.b!, k, 0, n, starts[group]!, size) : cut(inputs.b!, k, group * n, n, 0, k),
      ...(c && { c }),
    });
    d.set(own.codes, first * n);
  });
  return { d: { dtype: 'F32', shape, codes: d } };
}

const reference = ({ spec, inputs }: Case): Tensors => kernelOf(spec).reference(spec, inputs);

const layouts = ['contiguous', 'offsets', 'masked', 'k-grouped'] as const;
const several: readonly Omit<Fields, 'layout'>[] = [
  { sizes: [5, 8, 1], n: 20, k: 150, alignment: 8 },
  { sizes: [0, 3, 0, 0, 9, 0], n: 7, k: 40, alignment: 4, c: true },
  { sizes: [0, 0, 21, 0], n: 9, k: 130, alignment: 1 },
  { sizes: [0, 0], n: 5, k: 33, alignment: 16, c: true },
  { sizes: [131, 2, 128], n: 3, k: 20, alignment: 128 },
];
const cases = layouts.flatMap((layout) =>
  several.map((fields): [GroupLayout, Fields] => [layout, { layout, ...fields }]),
);

/** Tiles along k that no group's begin cuts. */
const tileFor = ({ layout, alignment }: Fields): number => (layout === 'k-grouped' ? alignment : 128);

const schemesFor = (fields: Fields) => ({
  a: schemeOf({ tile: [1, tileFor(fields)], recipe: 'divide' }),
  b: schemeOf({ tile: fields.layout === 'k-grouped' ? [1, tileFor(fields)] : [128, 128] }),
  arithmetic: { promoteEvery: tileFor(fields) },
});

describe('every element has the bits of a gemm of its group alone, and padding is +0', () => {
  it.each(cases)('%s %o', (_, fields) => {
    const it = caseOf(fields, schemesFor(fields));
    expect(mismatches(reference(it), groupByGroup(it))).toEqual([]);
  });

  it('for any sizes, alignments, schemes and models', () => {
    const fields = fc.record({
      layout: fc.constantFrom(...layouts),
      sizes: fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 5 }),
      n: fc.integer({ min: 1, max: 12 }),
      k: fc.integer({ min: 1, max: 70 }),
      alignment: fc.constantFrom(1, 2, 4, 16, 32),
      c: fc.boolean(),
      seed: fc.integer({ min: 0, max: 1000 }),
    });
    const rest = fc.record({
      model: fc.constantFrom(
        models.hopper,
        models.ada,
        models.blackwell,
        models.mmaSync,
        models.exact,
        models.sequential,
      ),
      whole: fc.boolean(),
      layout: fc.constantFrom('row-major', 'packed-e8m0'),
    });
    fc.assert(
      fc.property(fields, rest, (shape, { model, whole, layout }) => {
        const columns = whole ? 0 : tileFor(shape);
        const type = layout === 'row-major' ? 'f32' : 'e8m0';
        const scheme = (rows: number) => schemeOf({ tile: [rows, columns], layout, type } as const);
        // The whole extent of A spans all groups: one scale for all rows is not that of a group's gemm, but one for each row is.
        const c = {
          a: scheme(1),
          b: scheme(shape.layout === 'k-grouped' ? 1 : 0),
          arithmetic: { model, promoteEvery: columns },
        };
        // One scale along all of k is shared by groups of k.
        fc.pre(!(whole && shape.layout === 'k-grouped'));
        const it = caseOf(shape, c);
        expect(mismatches(reference(it), groupByGroup(it))).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });
});

describeGpu('a device gives the bits of a gemm of each group alone', () => {
  it.each(cases)('%s %o', async (_, fields) => {
    const it = caseOf(fields, schemesFor(fields));
    expect(mismatches(await runOnGpu(it.spec, it.inputs), groupByGroup(it))).toEqual([]);
  });

  it.each(layouts)('%s in pieces of a small binding', async (layout) => {
    const fields: Fields = { layout, sizes: [33, 0, 20], n: 40, k: 60, alignment: 32, c: true };
    const it = caseOf(fields, schemesFor(fields));
    const options = { maxBindingBytes: 4096 };
    expect(mismatches(await runOnGpu(it.spec, it.inputs, options), groupByGroup(it))).toEqual([]);
  });

  it('codes and scales that are given, one tensor scale for each matrix of B', async () => {
    const nvfp4 = schemeOf({ format: 'e2m1', tile: [1, 16], recipe: 'nvfp4', type: 'e4m3' });
    const shape = { groups: 3, m: 14, n: 9, k: 40 };
    const change = { a: nvfp4, b: nvfp4, arithmetic: { promoteEvery: 16, model: models.blackwell } };
    const spec = groupedGemmSpec({ layout: 'contiguous', shape, alignment: 4, sizes: [3, 0, 6], ...change });
    const inputs = {
      a: matrix(14, 40, 'e2m1', 'bits', 1),
      a_scales: matrix(14, 3, 'e4m3', 'finite', 2),
      a_tensor_scale: { dtype: 'F32', shape: [1], codes: Uint32Array.of(0x3f000000) } as const,
      b: stack(matrix(27, 40, 'e2m1', 'bits', 3), 3),
      b_scales: stack(matrix(27, 3, 'e4m3', 'finite', 4), 3),
      b_tensor_scale: { dtype: 'F32', shape: [3], codes: Uint32Array.of(0x3f800000, 0x40000000, 0x40400000) } as const,
      group_layout: integers(layoutOfSizes(spec, [3, 0, 6])),
    };
    expect(await againstReference(spec, inputs)).toEqual([]);
  });

  it("the fast tier is close, by the gemm's variant", async () => {
    const it = caseOf({ layout: 'contiguous', sizes: [5, 8, 1], n: 20, k: 256, alignment: 8 });
    const gpu = newGpu({ variants: { gemm: 'shared-64x64' } });
    const got = await kernelOf(it.spec).webgpu(gpu, it.spec, it.inputs, 'fast');
    // Eight rows are worth its blocks, the other groups' five and one are not.
    expect([...gpu.taken]).toEqual(expect.arrayContaining(['gemm=shared-64x64', 'gemm=plain']));
    await gpu.destroyRun();
    const want = groupByGroup(it);
    want.d!.codes.forEach((bits, i) => {
      expect(Math.abs(fromBits(got.d!.codes[i]!) - fromBits(bits))).toBeLessThan(0.05);
    });
  });
});

describe('a group_layout that means nothing is refused, with the place and the numbers', () => {
  const spec = groupedGemmSpec({
    layout: 'contiguous',
    shape: { groups: 2, m: 8, n: 4, k: 16 },
    alignment: 4,
    sizes: [3, 2],
  });
  const inputs = (change: Partial<GroupedGemmSpec>, layout: readonly number[]): Case => {
    const it = { ...spec, ...change };
    const a = matrix(8, 16, 'bf16');
    const b = matrix(8, 16, 'bf16');
    const tensors = {
      a: it.layout === 'masked' ? stack(matrix(16, 16, 'bf16'), 2) : a,
      b: it.layout === 'k-grouped' ? matrix(4, 16, 'bf16') : stack(b, 2),
    };
    return { spec: it, inputs: { ...tensors, group_layout: integers(layout) } };
  };
  it.each([
    ['a group past the last', {}, [0, 0, 0, -1, 2, -1, -1, -1], 'group_layout[4]: is 2, and there are 2 groups'],
    [
      'a group that begins off the alignment',
      {},
      [0, 0, 0, 1, -1, -1, -1, -1],
      'group_layout[3]: group 1 begins at row 3',
    ],
    ['a row after padding', {}, [0, -1, 0, -1, 1, 1, -1, -1], 'group_layout[2]: group 0 begins at row 2'],
    ['an offset past the rows', { layout: 'offsets' }, [3, 9], 'group_layout[1]: is 9'],
    ['offsets that descend', { layout: 'offsets' }, [5, 2], 'group_layout[1]: is 2'],
    ['a negative end', { layout: 'k-grouped' }, [-1, 2], 'group_layout[0]: is -1'],
    ['a count past the rows', { layout: 'masked', alignment: 1 }, [9, 0], 'group_layout[0]: is 9'],
    ['a negative count', { layout: 'masked', alignment: 1 }, [0, -3], 'group_layout[1]: is -3'],
    ['too few integers', { layout: 'masked', alignment: 1 }, [1], 'group_layout has shape [1], expected [2]'],
  ] as const)('%s', (_, change, layout, message) => {
    expect(() => reference(inputs(change, layout))).toThrow(message);
  });

  it('an empty group may repeat the former end, or begin at its own start', () => {
    for (const ends of [
      [3, 3],
      [3, 4],
    ]) {
      const it = inputs({ layout: 'offsets' }, ends);
      expect(reference(it)).toEqual(reference(inputs({ layout: 'offsets' }, [3, 3])));
    }
  });
});
