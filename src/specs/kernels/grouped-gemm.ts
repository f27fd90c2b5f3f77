import { z } from 'zod';
import type { Arithmetic } from '../../numerics/arithmetic.ts';
import type { FileInput, Input, Operand, SpecBase } from '../base.ts';
import type { Checker } from '../checker.ts';
import { arithmetic, base, extent, file, input, operand, output } from '../fields.ts';
import { fillArithmetic, fillInput, fillOperand } from '../fill.ts';
import { specPart } from '../part.ts';

const layouts = ['contiguous', 'offsets', 'masked', 'k-grouped'] as const;

/**
 * How groups lie in A. `contiguous`: a group for every row. `offsets`: the end of every group's rows. `masked`: a matrix A for every group and
 * the number of its rows. `k-grouped`: the end of every group along k, of A and B both.
 */
export type GroupLayout = (typeof layouts)[number];

/** D = C + A * B^T, group by group: docs/numerics.md, "Grouped products". Exactly one of `sizes` and `groupLayout` is present. */
export interface GroupedGemmSpec extends SpecBase {
  readonly kernel: 'grouped-gemm';
  readonly layout: GroupLayout;
  /** `m` and `k` of A (of one group's where `masked`), all groups together. */
  readonly shape: { readonly groups: number; readonly m: number; readonly n: number; readonly k: number };
  /** Groups begin at multiples of this row, or k. 1 where `masked`. */
  readonly alignment: number;
  /** Rows, or k, of each group; `group_layout` follows from them. */
  readonly sizes?: readonly number[];
  /** `group_layout` in a file. */
  readonly groupLayout?: FileInput;
  readonly a: Operand;
  readonly b: Operand;
  readonly c?: { readonly input: Input };
  readonly arithmetic: Arithmetic;
  readonly output: 'bf16' | 'f16' | 'f32';
}

/** What a grouped gemm spec says. */
export const groupedGemmPart = specPart({
  schema: z.strictObject({
    ...base,
    kernel: z.literal('grouped-gemm'),
    layout: z.enum(layouts).describe('How groups lie in A, and in B where k-grouped.'),
    shape: z.strictObject({ groups: extent, m: extent, n: extent, k: extent }),
    alignment: extent.optional().describe('Groups begin at multiples of this. Default 128; none for masked.'),
    sizes: z
      .array(z.int().min(0))
      .min(1)
      .max(1024)
      .optional()
      .describe('Rows of each group, or its k where k-grouped.'),
    groupLayout: file.optional().describe('The I32 tensor group_layout, in place of sizes.'),
    a: operand,
    b: operand,
    c: z.strictObject({ input }).optional().describe('Accumulated onto, group by group. Needs output f32.'),
    arithmetic: arithmetic.optional(),
    output: output.optional().describe('Format of the result. Default bf16.'),
  }),
  fill: (spec, filled): GroupedGemmSpec => ({
    ...filled,
    kernel: 'grouped-gemm',
    layout: spec.layout,
    shape: spec.shape,
    alignment: spec.alignment ?? (spec.layout === 'masked' ? 1 : 128),
    ...(spec.sizes !== undefined && { sizes: spec.sizes }),
    ...(spec.groupLayout !== undefined && { groupLayout: spec.groupLayout }),
    a: fillOperand(spec.a, 'a'),
    b: fillOperand(spec.b, 'b'),
    ...(spec.c !== undefined && { c: { input: fillInput(spec.c.input) } }),
    arithmetic: fillArithmetic(spec.arithmetic ?? 'hopper-deepgemm'),
    output: spec.output ?? 'bf16',
  }),
  check: checkGroupedGemm,
});

function checkGroupedGemm(spec: GroupedGemmSpec, check: Checker): void {
  const { groups, m, n, k } = spec.shape;
  const [stackedA, stackedB] = [spec.layout === 'masked', spec.layout !== 'k-grouped'];
  const rowsOf = (rows: number, stacked: boolean): number => (stacked ? groups * rows : rows);
  check.elements(`shape (${stackedA ? 'groups x ' : ''}m x k)`, rowsOf(m, stackedA), k);
  check.elements(`shape (${stackedB ? 'groups x ' : ''}n x k)`, rowsOf(n, stackedB), k);
  check.elements('shape (d)', rowsOf(m, stackedA || !stackedB), n);
  check.operand('a', spec.a);
  check.operand('b', spec.b);
  check.model('arithmetic.model', spec.arithmetic.model);
  check.promotion('a', spec.a.scheme, k, spec.arithmetic);
  check.promotion('b', spec.b.scheme, k, spec.arithmetic);
  checkGroups(spec, check);
  checkTiles(spec, check);
  if (spec.c === undefined) return;
  check.numbers('c.input', spec.c.input);
  if (spec.output !== 'f32') {
    check.refuse('c', `c is accumulated in f32, and the output is ${spec.output}`, 'set output to f32, or leave c out');
  }
}

/** The groups must fit: their sizes, one behind the other at multiples of the alignment. */
function checkGroups({ layout, shape, alignment, sizes, groupLayout }: GroupedGemmSpec, check: Checker): void {
  if (layout === 'masked' && alignment !== 1) {
    check.refuse('alignment', `is ${alignment}, and masked groups have matrices of their own`, 'leave it out');
  }
  if ((sizes === undefined) === (groupLayout === undefined)) {
    check.refuse('sizes', 'and groupLayout say the same', 'give sizes, or groupLayout with a file');
  }
  if (sizes === undefined) return;
  if (sizes.length !== shape.groups) {
    check.refuse('sizes', `has ${sizes.length} groups, and the shape ${shape.groups}`, 'give a size for each group');
  }
  const largest = Math.max(...sizes);
  if (layout === 'masked') {
    if (largest <= shape.m) return;
    check.refuse('sizes', `has ${largest}, and a group holds ${shape.m} rows`, `use ${shape.m} at most, or a larger m`);
  }
  const end = sizes.reduce((at, size) => Math.ceil(at / alignment) * alignment + size, 0);
  const [name, extent] = layout === 'k-grouped' ? (['k', shape.k] as const) : (['m', shape.m] as const);
  if (end > extent) {
    const placed = `end at ${end} at multiples of ${alignment}, and ${name} is ${extent}`;
    check.refuse('sizes', placed, `set ${name} to ${end} at least, or a smaller alignment`);
  }
}

/** No tile may reach over groups: a group's codes and scales are those of a gemm of its own. */
function checkTiles({ layout, alignment, a, b }: GroupedGemmSpec, check: Checker): void {
  const refuse = (path: string, tile: number, axis: string): never =>
    check.refuse(
      `${path}.scheme.tile`,
      `is ${tile} ${axis}, and groups begin at multiples of ${alignment}`,
      `use a divisor of ${alignment}, 0 for the whole extent, or another alignment`,
    );
  if (layout === 'k-grouped') {
    for (const [path, { scheme }] of [
      ['a', a],
      ['b', b],
    ] as const) {
      if (scheme.tile[1] !== 0 && alignment % scheme.tile[1] !== 0) refuse(path, scheme.tile[1], 'along k');
    }
  } else if (layout !== 'masked' && a.scheme.tile[0] !== 0 && alignment % a.scheme.tile[0] !== 0) {
    refuse('a', a.scheme.tile[0], 'rows');
  }
}
