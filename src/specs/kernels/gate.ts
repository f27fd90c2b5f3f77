import { z } from 'zod';
import type { Input, IntegersFrom, MaskInput, RoutingInput, SpecBase } from '../base.ts';
import { base, extent, input } from '../fields.ts';
import { fillInput } from '../fill.ts';
import type { GateRule } from '../gate-presets.ts';
import { checkGate, fillGate, gateSchema, mostExperts } from '../gate-rule.ts';
import { checkRouting, fillMask, fillRouting, maskSchema, routingSchema } from '../integers.ts';
import { specPart } from '../part.ts';

/** Experts and weights of every token from its logits [tokens, experts]. */
export interface GateSpec extends SpecBase {
  readonly kernel: 'gate';
  readonly shape: { readonly tokens: number; readonly experts: number };
  readonly gate: GateRule;
  readonly logits: { readonly input: Input };
  /** [experts], added to the scores for the choice alone. */
  readonly bias?: { readonly input: Input };
  /** [tokens], 0 for tokens that go nowhere. */
  readonly mask?: IntegersFrom<MaskInput>;
  /** [tokens, topk], the choice to use in place of the gate's own: its weights are computed anew. */
  readonly indices?: IntegersFrom<RoutingInput>;
}

/** The shape of kernels on tokens and experts. */
export const tokensAndExperts = z.strictObject({ tokens: extent, experts: z.int().min(1).max(mostExperts) });

/** What a gate spec says. */
export const gatePart = specPart({
  schema: z.strictObject({
    ...base,
    kernel: z.literal('gate'),
    shape: tokensAndExperts,
    gate: gateSchema,
    logits: z.strictObject({ input }),
    bias: z.strictObject({ input }).optional().describe('Per expert, for the choice alone: weights never see it.'),
    mask: maskSchema.optional().describe('Per token: 0 goes nowhere.'),
    indices: routingSchema
      .optional()
      .describe('Per token, topk experts to use in place of a choice; weights are computed anew.'),
  }),
  fill: (spec, filled): GateSpec => ({
    ...filled,
    kernel: 'gate',
    shape: spec.shape,
    gate: fillGate(spec.gate),
    logits: { input: fillInput(spec.logits.input) },
    ...(spec.bias !== undefined && { bias: { input: fillInput(spec.bias.input) } }),
    ...(spec.mask !== undefined && { mask: fillMask(spec.mask) }),
    ...(spec.indices !== undefined && { indices: fillRouting(spec.indices, spec.shape.experts) }),
  }),
  check: (spec, check) => {
    const { tokens, experts } = spec.shape;
    check.elements('shape', tokens, experts);
    checkGate(check, 'gate', spec.gate, experts);
    check.elements('shape (tokens x slots)', tokens, spec.gate.topk + spec.gate.sharedExperts);
    check.numbers('logits.input', spec.logits.input);
    if (spec.bias !== undefined) check.numbers('bias.input', spec.bias.input);
    if (spec.indices !== undefined) checkRouting(check, 'indices', spec.indices, experts);
  },
});
