import { z } from 'zod';
import type { Scheme } from '../../numerics/scheme.ts';
import type { Input, SpecBase } from '../base.ts';
import type { Checker } from '../checker.ts';
import { base, input, scheme } from '../fields.ts';
import { fillInput, fillScheme } from '../fill.ts';
import { specPart } from '../part.ts';
import { allExperts, checkMoe, fillMoe, type MoeFields, moeFields } from './moe-layer.ts';

/** The backward pass of an FP8 mixture-of-experts layer: docs/numerics.md, "MoE layer". */
export interface MoeLayerBackwardSpec extends SpecBase, MoeFields {
  readonly kernel: 'moe-layer-backward';
  /** Gradient of y [tokens, hidden]. */
  readonly dy: { readonly input: Input };
  /** Scheme of the gradients that the data gradients' products read, 1x128 tiles. */
  readonly gradient: Scheme;
  /** Scheme along tokens, 128x1 tiles: all four operands of the weight gradients are requantized to it. */
  readonly channel: Scheme;
}

/** A scheme of the transposed matrix: the same codes and scales, rows for columns. */
export function transposedScheme(scheme: Scheme): Scheme {
  return { ...scheme, tile: [scheme.tile[1], scheme.tile[0]], scale: { ...scheme.scale, layout: 'row-major' } };
}

/** What a moe-layer-backward spec says. */
export const moeLayerBackwardPart = specPart({
  schema: z.strictObject({
    ...base,
    kernel: z.literal('moe-layer-backward'),
    ...moeFields,
    dy: z.strictObject({ input }).describe('Gradient of y, [tokens, hidden].'),
    gradient: scheme.optional().describe('Scheme of gradients, rows apart. Default gradient-1x128-pow2.'),
    channel: scheme.optional().describe('Scheme along tokens for weight gradients. Default channel-128x1-pow2.'),
  }),
  fill: ({ dy, gradient, channel, ...spec }, filled): MoeLayerBackwardSpec => ({
    ...filled,
    kernel: 'moe-layer-backward',
    ...fillMoe(spec),
    dy: { input: fillInput(dy.input) },
    gradient: fillScheme(gradient ?? 'gradient-1x128-pow2', 'gradient'),
    channel: fillScheme(channel ?? 'channel-128x1-pow2', 'channel'),
  }),
  check: checkBackward,
});

function checkBackward(spec: MoeLayerBackwardSpec, check: Checker): void {
  const { hidden, inter } = spec.shape;
  checkMoe(spec, check);
  check.numbers('dy.input', spec.dy.input);
  check.elements('shape (experts x hidden x 2 inter)', allExperts(spec) * hidden, 2 * inter);
  check.scheme('gradient', spec.gradient);
  check.scheme('channel', spec.channel);
  const { arithmetic, alignment } = spec;
  const transposed = [transposedScheme(spec.w13.scheme), transposedScheme(spec.w2.scheme)] as const;
  check.promotion('gradient', spec.gradient, hidden, arithmetic);
  check.promotion('gradient', spec.gradient, 2 * inter, arithmetic);
  check.promotion('w13 transposed', transposed[0], 2 * inter, arithmetic);
  check.promotion('w2 transposed', transposed[1], hidden, arithmetic);
  // One block of k is as long as the tokens of an expert: at least the promotion's interval is looked at.
  check.promotion('channel', transposedScheme(spec.channel), 2 ** 24, arithmetic);
  const [rows, columns] = spec.channel.tile;
  if (spec.gradient.tile[0] !== 1) {
    const tile = spec.gradient.tile[0] || 'the whole extent';
    check.refuse('gradient.tile[0]', `is ${tile}, and rows belong to several experts`, 'use tiles of one row');
  }
  if (rows === 0 || alignment % rows !== 0) {
    const tile = rows || 'the whole extent';
    const fix = 'use a divisor of the alignment, or another alignment';
    check.refuse('channel.tile[0]', `is ${tile}, and experts begin at multiples of ${alignment}`, fix);
  }
  if (columns !== 1) {
    check.refuse('channel.tile[1]', `is ${columns || 'the whole extent'}`, 'use tiles of one column, [128, 1] say');
  }
}
