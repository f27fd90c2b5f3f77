import { z } from 'zod';
import type { Input, IntegersFrom, RoutingInput, SpecBase } from '../base.ts';
import { base, extent, input } from '../fields.ts';
import { fillInput } from '../fill.ts';
import { checkRouting, fillRouting, routingSchema } from '../integers.ts';
import { specPart } from '../part.ts';
import { checkTopology, fillGpusPerNode, type Topology, topologyFields } from './dispatch.ts';

/** The way back of dispatch: the rows of a token's experts, weighted and summed on its own rank, in bf16 over the wire. */
export interface CombineSpec extends SpecBase, Topology {
  readonly kernel: 'combine';
  /** Where rows are summed and rounded to bf16 before they travel: nowhere, on their rank, there and again on their node. */
  readonly reduce: 'none' | 'local' | 'node';
  /** Rows of x. */
  readonly rows: number;
  /** Results of the experts [rows, hidden]. */
  readonly x: { readonly input: Input };
  /** Row of every slot [ranks * tokens, topk]; -1 for none. */
  readonly slotToRow: IntegersFrom<RoutingInput>;
  /** Experts of every token: they say on which rank a slot's row is. */
  readonly topkIdx: IntegersFrom<RoutingInput>;
  readonly topkWeights?: { readonly input: Input };
}

/** What a combine spec says. */
export const combinePart = specPart({
  schema: z.strictObject({
    ...base,
    kernel: z.literal('combine'),
    ...topologyFields,
    reduce: z.enum(['none', 'local', 'node']).optional().describe('Levels that round sums to bf16. Default none.'),
    rows: extent.describe('Rows of x.'),
    x: z.strictObject({ input }),
    slotToRow: routingSchema.describe('Row of every slot, -1 for none: a generator of rows, or a file.'),
    topkIdx: routingSchema,
    topkWeights: z.strictObject({ input }).optional().describe('Weight of every slot, f32. Default: a plain sum.'),
  }),
  fill: (spec, filled): CombineSpec => ({
    ...filled,
    kernel: 'combine',
    shape: spec.shape,
    ranks: spec.ranks,
    gpusPerNode: fillGpusPerNode(spec.ranks, spec.gpusPerNode),
    reduce: spec.reduce ?? 'none',
    rows: spec.rows,
    x: { input: fillInput(spec.x.input) },
    slotToRow: fillRouting(spec.slotToRow, spec.rows),
    topkIdx: fillRouting(spec.topkIdx, spec.shape.experts),
    ...(spec.topkWeights && { topkWeights: { input: fillInput(spec.topkWeights.input) } }),
  }),
  check: (spec, check) => {
    checkTopology(spec, check);
    check.elements('rows x hidden', spec.rows, spec.shape.hidden);
    check.numbers('x.input', spec.x.input);
    checkRouting(check, 'slotToRow', spec.slotToRow, spec.rows);
    checkRouting(check, 'topkIdx', spec.topkIdx, spec.shape.experts);
    if (spec.topkWeights !== undefined) check.f32('topkWeights.input', spec.topkWeights.input);
  },
});
