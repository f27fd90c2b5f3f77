import { z } from 'zod';
import type { Arithmetic } from '../../numerics/arithmetic.ts';
import type { Scheme } from '../../numerics/scheme.ts';
import type { Input, IntegersFrom, MaskInput, Operand, SpecBase } from '../base.ts';
import type { Checker } from '../checker.ts';
import { arithmetic, base, extent, input, operand, output, scheme } from '../fields.ts';
import { fillArithmetic, fillInput, fillOperand, fillScheme } from '../fill.ts';
import type { GateRule } from '../gate-presets.ts';
import { checkGate, fillGate, gateSchema } from '../gate-rule.ts';
import { fillMask, maskSchema } from '../integers.ts';
import { specPart } from '../part.ts';
import { checkMovedRows, experts, permutedRows } from './permute.ts';

/** What the forward and the backward pass of a layer share. */
export interface MoeFields {
  readonly shape: {
    readonly tokens: number;
    readonly hidden: number;
    /** Columns of an expert's gate and of its up projection. */
    readonly inter: number;
    /** Routed experts; the gate's shared ones come on top. */
    readonly experts: number;
  };
  readonly gate: GateRule;
  /** Rows that an expert's first row is a multiple of. */
  readonly alignment: number;
  /** Hidden states [tokens, hidden]. */
  readonly x: Operand;
  readonly logits: { readonly input: Input };
  readonly bias?: { readonly input: Input };
  readonly mask?: IntegersFrom<MaskInput>;
  /** Gate and up projections [experts, 2 * inter, hidden], shared experts last. */
  readonly w13: Operand;
  /** Down projections [experts, hidden, inter]. */
  readonly w2: Operand;
  /** How the activation between the two products is quantized. */
  readonly activation: Scheme;
  readonly clamp?: number;
  readonly arithmetic: Arithmetic;
}

/** One FP8 mixture-of-experts layer, forward: docs/numerics.md, "MoE layer". */
export interface MoeLayerSpec extends SpecBase, MoeFields {
  readonly kernel: 'moe-layer';
  readonly output: 'bf16' | 'f16' | 'f32';
}

/** Fields of both passes. */
export const moeFields = {
  shape: z.strictObject({
    tokens: extent,
    hidden: extent,
    inter: extent.describe("Columns of an expert's gate and of its up projection."),
    experts,
  }),
  gate: gateSchema,
  alignment: z
    .int()
    .min(1)
    .max(2 ** 16)
    .optional()
    .describe('Rows that an expert begins at a multiple of. Default 128.'),
  x: operand,
  logits: z.strictObject({ input }),
  bias: z.strictObject({ input }).optional().describe('Per expert, for the choice alone.'),
  mask: maskSchema.optional().describe('Per token: 0 goes nowhere.'),
  w13: operand.describe('Gate and up projections [experts, 2 inter, hidden], shared experts last.'),
  w2: operand.describe('Down projections [experts, hidden, inter].'),
  activation: scheme.optional().describe('Scheme of the activation. Default activation-1x128-pow2.'),
  clamp: z.number().gt(0).max(3e38).optional().describe('Cuts gate at clamp, up at clamp and -clamp. Default none.'),
  arithmetic: arithmetic.optional(),
};

const authored = z.strictObject(moeFields);

/** The fields of both passes, filled. */
export function fillMoe(spec: z.infer<typeof authored>): MoeFields {
  return {
    shape: spec.shape,
    gate: fillGate(spec.gate),
    alignment: spec.alignment ?? 128,
    x: fillOperand(spec.x, 'x'),
    logits: { input: fillInput(spec.logits.input) },
    ...(spec.bias !== undefined && { bias: { input: fillInput(spec.bias.input) } }),
    ...(spec.mask !== undefined && { mask: fillMask(spec.mask) }),
    w13: fillOperand(spec.w13, 'w13'),
    w2: fillOperand(spec.w2, 'w2'),
    activation: fillScheme(spec.activation ?? 'activation-1x128-pow2', 'activation'),
    ...(spec.clamp !== undefined && { clamp: spec.clamp }),
    arithmetic: fillArithmetic(spec.arithmetic ?? 'hopper-deepgemm'),
  };
}

/** Experts whose weights there are: the routed and the shared ones. */
export function allExperts({ shape, gate }: MoeFields): number {
  return shape.experts + gate.sharedExperts;
}

/** Slots of a token: the experts that it chooses, and the shared ones. */
export function slotsOf({ gate }: MoeFields): number {
  return gate.topk + gate.sharedExperts;
}

/** Rows of the permuted tensors. */
export function moeRows(spec: MoeFields): number {
  return permutedRows({ tokens: spec.shape.tokens, experts: allExperts(spec), topk: slotsOf(spec) }, spec.alignment);
}

/** Refuses what contradicts itself in either pass. */
export function checkMoe(spec: MoeFields, check: Checker): void {
  const { tokens, hidden, inter } = spec.shape;
  const all = allExperts(spec);
  const rows = moeRows(spec);
  checkGate(check, 'gate', spec.gate, spec.shape.experts);
  check.elements('shape (tokens x experts)', tokens, all);
  check.elements('shape (rows x hidden)', rows, hidden);
  check.elements('shape (rows x 2 inter)', rows, 2 * inter);
  check.elements('shape (experts x 2 inter x hidden)', all * 2 * inter, hidden);
  checkMovedRows(check, 'x', spec.x);
  check.numbers('logits.input', spec.logits.input);
  if (spec.bias !== undefined) check.numbers('bias.input', spec.bias.input);
  check.operand('w13', spec.w13);
  check.operand('w2', spec.w2);
  check.scheme('activation', spec.activation);
  check.model('arithmetic.model', spec.arithmetic.model);
  check.promotion('x', spec.x.scheme, hidden, spec.arithmetic);
  check.promotion('w13', spec.w13.scheme, hidden, spec.arithmetic);
  check.promotion('activation', spec.activation, inter, spec.arithmetic);
  check.promotion('w2', spec.w2.scheme, inter, spec.arithmetic);
  if (spec.activation.tile[0] !== 1) {
    check.refuse(
      'activation.tile[0]',
      `is ${spec.activation.tile[0] || 'the whole extent'}, and rows belong to several experts`,
      'use tiles of one row, [1, 128] say',
    );
  }
}

/** What a moe-layer spec says. */
export const moeLayerPart = specPart({
  schema: z.strictObject({
    ...base,
    kernel: z.literal('moe-layer'),
    ...moeFields,
    output: output.optional().describe('Format of the result. Default bf16.'),
  }),
  fill: ({ output, ...spec }, filled): MoeLayerSpec => ({
    ...filled,
    kernel: 'moe-layer',
    ...fillMoe(spec),
    output: output ?? 'bf16',
  }),
  check: (spec, check) => checkMoe(spec, check),
});
