import { z } from 'zod';
import type { Input, IntegersFrom, RoutingInput, SpecBase } from '../base.ts';
import { base, extent, input, output } from '../fields.ts';
import { fillInput } from '../fill.ts';
import { checkRouting, fillRouting, routingSchema } from '../integers.ts';
import { specPart } from '../part.ts';
import { topk } from './permute.ts';

/** The way back of permute: every token is the sum of its slots' rows, weighted where there are weights. */
export interface UnpermuteSpec extends SpecBase {
  readonly kernel: 'unpermute';
  readonly shape: {
    readonly tokens: number;
    readonly hidden: number;
    readonly topk: number;
    /** Rows of x. */
    readonly rows: number;
  };
  /** x [rows, hidden]. */
  readonly x: { readonly input: Input };
  /** Row of every slot [tokens, topk]; -1 for none. */
  readonly slotToRow: IntegersFrom<RoutingInput>;
  /** [tokens, topk], f32. */
  readonly topkWeights?: { readonly input: Input };
  readonly output: 'bf16' | 'f16' | 'f32';
}

/** What an unpermute spec says. */
export const unpermutePart = specPart({
  schema: z.strictObject({
    ...base,
    kernel: z.literal('unpermute'),
    shape: z.strictObject({ tokens: extent, hidden: extent, topk, rows: extent.describe('Rows of x.') }),
    x: z.strictObject({ input }),
    slotToRow: routingSchema.describe('Row of every slot, -1 for none: a generator of rows, or a file.'),
    topkWeights: z.strictObject({ input }).optional().describe('Weight of every slot, f32. Default: a plain sum.'),
    output: output.optional().describe('Format of the result. Default bf16.'),
  }),
  fill: (spec, filled): UnpermuteSpec => ({
    ...filled,
    kernel: 'unpermute',
    shape: spec.shape,
    x: { input: fillInput(spec.x.input) },
    slotToRow: fillRouting(spec.slotToRow, spec.shape.rows),
    ...(spec.topkWeights && { topkWeights: { input: fillInput(spec.topkWeights.input) } }),
    output: spec.output ?? 'bf16',
  }),
  check: (spec, check) => {
    const { tokens, hidden, topk, rows } = spec.shape;
    check.elements('shape (tokens x topk)', tokens, topk);
    check.elements('shape (rows x hidden)', rows, hidden);
    check.elements('shape (tokens x hidden)', tokens, hidden);
    check.numbers('x.input', spec.x.input);
    checkRouting(check, 'slotToRow', spec.slotToRow, rows);
    if (spec.topkWeights !== undefined) check.f32('topkWeights.input', spec.topkWeights.input);
  },
});
