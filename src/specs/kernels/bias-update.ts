import { z } from 'zod';
import type { CountsInput, Input, IntegersFrom, SpecBase } from '../base.ts';
import { base, input } from '../fields.ts';
import { fillInput } from '../fill.ts';
import { mostExperts } from '../gate-rule.ts';
import { countsSchema, fillCounts } from '../integers.ts';
import { specPart } from '../part.ts';

/** Balancing without an auxiliary loss (DeepSeek-V3, 2.1.2): the bias of each expert moves by gamma against its load. */
export interface BiasUpdateSpec extends SpecBase {
  readonly kernel: 'bias-update';
  readonly shape: { readonly experts: number };
  readonly gamma: number;
  readonly bias: { readonly input: Input };
  /** Tokens of each expert in the step. */
  readonly load: IntegersFrom<CountsInput>;
}

/** What a bias-update spec says. */
export const biasUpdatePart = specPart({
  schema: z.strictObject({
    ...base,
    kernel: z.literal('bias-update'),
    shape: z.strictObject({ experts: z.int().min(1).max(mostExperts) }),
    gamma: z.number().min(0).max(1).optional().describe('How far a bias moves, as an f32. Default 0.001.'),
    bias: z.strictObject({ input }),
    load: countsSchema,
  }),
  fill: (spec, filled): BiasUpdateSpec => ({
    ...filled,
    kernel: 'bias-update',
    shape: spec.shape,
    gamma: spec.gamma ?? 0.001,
    bias: { input: fillInput(spec.bias.input) },
    load: fillCounts(spec.load),
  }),
  check: (spec, check) => check.f32('bias.input', spec.bias.input),
});
