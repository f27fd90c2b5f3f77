import { z } from 'zod';
import type { IntegersFrom, RoutingInput, SpecBase } from '../base.ts';
import { base, extent } from '../fields.ts';
import { mostExperts } from '../gate-rule.ts';
import { checkRouting, fillRouting, routingSchema } from '../integers.ts';
import { specPart } from '../part.ts';

/** Loads of experts from the experts of tokens [tokens, topk]. */
export interface LoadStatisticsSpec extends SpecBase {
  readonly kernel: 'load-statistics';
  readonly shape: { readonly tokens: number; readonly experts: number; readonly topk: number };
  readonly topkIdx: IntegersFrom<RoutingInput>;
}

/** What a load-statistics spec says. */
export const loadStatisticsPart = specPart({
  schema: z.strictObject({
    ...base,
    kernel: z.literal('load-statistics'),
    shape: z.strictObject({
      tokens: extent,
      experts: z.int().min(1).max(mostExperts),
      topk: z.int().min(1).max(mostExperts),
    }),
    topkIdx: routingSchema,
  }),
  fill: (spec, filled): LoadStatisticsSpec => ({
    ...filled,
    kernel: 'load-statistics',
    shape: spec.shape,
    topkIdx: fillRouting(spec.topkIdx, spec.shape.experts),
  }),
  check: (spec, check) => {
    check.elements('shape (tokens x topk)', spec.shape.tokens, spec.shape.topk);
    checkRouting(check, 'topkIdx', spec.topkIdx, spec.shape.experts);
  },
});
