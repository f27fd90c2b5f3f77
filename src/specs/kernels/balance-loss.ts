import { z } from 'zod';
import type { Input, SpecBase } from '../base.ts';
import { base, input } from '../fields.ts';
import { fillInput } from '../fill.ts';
import { specPart } from '../part.ts';
import { tokensAndExperts } from './gate.ts';

/** The balance loss of one sequence: alpha * sum of f * P (DeepSeek-V3, equations 17 to 20). */
export interface BalanceLossSpec extends SpecBase {
  readonly kernel: 'balance-loss';
  readonly shape: { readonly tokens: number; readonly experts: number };
  readonly score: 'sigmoid' | 'softmax';
  readonly topk: number;
  readonly alpha: number;
  readonly logits: { readonly input: Input };
}

/** What a balance-loss spec says. */
export const balanceLossPart = specPart({
  schema: z.strictObject({
    ...base,
    kernel: z.literal('balance-loss'),
    shape: tokensAndExperts,
    score: z.enum(['sigmoid', 'softmax']).optional().describe("An expert's affinity from its logit. Default sigmoid."),
    topk: z
      .int()
      .min(1)
      .max(2 ** 14)
      .optional()
      .describe('Experts of a token. Default 8.'),
    alpha: z
      .number()
      .min(0)
      .max(1e30)
      .optional()
      .describe('The loss is multiplied by this, as an f32. Default 0.0001.'),
    logits: z.strictObject({ input }),
  }),
  fill: (spec, filled): BalanceLossSpec => ({
    ...filled,
    kernel: 'balance-loss',
    shape: spec.shape,
    score: spec.score ?? 'sigmoid',
    topk: spec.topk ?? 8,
    alpha: spec.alpha ?? 1e-4,
    logits: { input: fillInput(spec.logits.input) },
  }),
  check: (spec, check) => {
    const { tokens, experts } = spec.shape;
    check.elements('shape', tokens, experts);
    if (spec.topk > experts) check.refuse('topk', `is ${spec.topk}, and there are ${experts} experts`, 'use fewer');
    check.numbers('logits.input', spec.logits.input);
  },
});
