import { z } from 'zod';
import { inputError } from '../../errors.ts';
import type { Input, IntegersFrom, Operand, RoutingInput, SpecBase } from '../base.ts';
import type { Checker } from '../checker.ts';
import { base, extent, input, scheme as schemeField } from '../fields.ts';
import { fillInput, fillOperand } from '../fill.ts';
import { checkRouting, fillRouting, routingSchema } from '../integers.ts';
import { specPart } from '../part.ts';

/** Rows that are moved as they are, or with their scales: an operand. */
export type MovedRows = { readonly input: Input } | Operand;

/**
 * Tokens sorted by expert: row r of the result is the token of slot row_to_slot[r]. Experts ascend and begin at multiples of `alignment`;
 * inside one, tokens ascend, then slots. Padding rows are zero. DeepGEMM's contiguous layout.
 */
export interface PermuteSpec extends SpecBase {
  readonly kernel: 'permute';
  readonly shape: PermuteShape;
  /** Rows that an expert's first row is a multiple of. */
  readonly alignment: number;
  /** x [tokens, hidden]; with a scheme its codes and scales are moved. */
  readonly x: MovedRows;
  /** Experts of every token [tokens, topk]; -1 goes nowhere. */
  readonly topkIdx: IntegersFrom<RoutingInput>;
}

/** Extents of a permutation. */
export interface PermuteShape {
  readonly tokens: number;
  readonly hidden: number;
  readonly experts: number;
  readonly topk: number;
}

/**
 * Rows that are enough for every routing, a multiple of `alignment`: all slots somewhere, and each expert that can have rows padded by
 * alignment - 1. Some routing fills them but for the last expert's padding.
 */
export function permutedRows({ tokens, experts, topk }: Omit<PermuteShape, 'hidden'>, alignment: number): number {
  const slots = tokens * topk;
  const padded = slots + Math.min(experts, slots) * (alignment - 1);
  return padded - (padded % alignment);
}

/** Experts that one sweep counts: their starts are summed by one thread. */
export const mostExperts = 2 ** 15;

/** Experts of a routed kernel. */
export const experts = z.int().min(1).max(mostExperts).describe('Routed experts.');
/** Slots of a token. */
export const topk = z.int().min(1).max(1024).describe('Experts of a token.');

/** Rows to be moved: numbers, or a quantized operand. */
export const movedRows = z
  .strictObject({
    scheme: schemeField.optional(),
    input: input.optional().describe('High-precision values; quantized first where there is a scheme.'),
    codes: input.optional().describe('Codes used as they are, with scales.'),
    scales: input.optional().describe('Stored scales of the codes.'),
  })
  .describe('Numbers that are moved as they are, or a quantized operand whose codes and scales are moved.');

/** Rows to be moved, filled. */
export function fillMovedRows({ scheme, ...rest }: z.infer<typeof movedRows>, path: string): MovedRows {
  if (scheme !== undefined) return fillOperand({ ...rest, scheme }, path);
  if (rest.input !== undefined && rest.codes === undefined && rest.scales === undefined) {
    return { input: fillInput(rest.input) };
  }
  throw inputError(
    `${path}: has neither a scheme nor input alone`,
    'missing-field',
    path,
    'give input, or a scheme with input, or a scheme with codes and scales',
  );
}

/** Refuses rows that cannot be moved one by one. */
export function checkMovedRows(check: Checker, path: string, rows: MovedRows): void {
  if (!('scheme' in rows)) {
    check.numbers(`${path}.input`, rows.input);
    return;
  }
  check.operand(path, rows);
  if (rows.scheme.tile[0] !== 1) {
    check.refuse(
      `${path}.scheme.tile[0]`,
      `is ${rows.scheme.tile[0] || 'the whole extent'}, and rows that share a scale cannot be parted`,
      'use tiles of one row, [1, 128] say',
    );
  }
}

/** What a permute spec says. */
export const permutePart = specPart({
  schema: z.strictObject({
    ...base,
    kernel: z.literal('permute'),
    shape: z.strictObject({ tokens: extent, hidden: extent, experts, topk }),
    alignment: z
      .int()
      .min(1)
      .max(2 ** 16)
      .optional()
      .describe('Rows that an expert begins at a multiple of. Default 128.'),
    x: movedRows,
    topkIdx: routingSchema,
  }),
  fill: (spec, filled): PermuteSpec => ({
    ...filled,
    kernel: 'permute',
    shape: spec.shape,
    alignment: spec.alignment ?? 128,
    x: fillMovedRows(spec.x, 'x'),
    topkIdx: fillRouting(spec.topkIdx, spec.shape.experts),
  }),
  check: (spec, check) => {
    const { tokens, hidden, experts, topk } = spec.shape;
    check.elements('shape (tokens x topk)', tokens, topk);
    check.elements('shape (rows x hidden)', permutedRows(spec.shape, spec.alignment), hidden);
    check.elements('shape (tokens x hidden)', tokens, hidden);
    if (topk > experts) check.refuse('shape.topk', `is ${topk}, and there are ${experts} experts`, 'use fewer slots');
    checkMovedRows(check, 'x', spec.x);
    checkRouting(check, 'topkIdx', spec.topkIdx, experts);
  },
});
