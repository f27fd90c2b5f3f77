import { z } from 'zod';
import type { Input, SpecBase } from '../base.ts';
import { base, input } from '../fields.ts';
import { fillInput } from '../fill.ts';
import { specPart } from '../part.ts';
import { checkSwiglu, fillSwiglu, type SwigluFields, swigluFields } from './swiglu-quantize.ts';

/** Gradients of gate, up and the weights from the gradient of act. */
export interface SwigluBackwardSpec extends SpecBase, SwigluFields {
  readonly kernel: 'swiglu-backward';
  /** [rows, inter]. */
  readonly grad: { readonly input: Input };
}

/** What a swiglu-backward spec says. */
export const swigluBackwardPart = specPart({
  schema: z.strictObject({
    ...base,
    kernel: z.literal('swiglu-backward'),
    ...swigluFields,
    grad: z.strictObject({ input }).describe('Gradient of the forward result, [rows, inter].'),
  }),
  fill: ({ grad, ...spec }, filled): SwigluBackwardSpec => ({
    ...filled,
    kernel: 'swiglu-backward',
    ...fillSwiglu(spec),
    grad: { input: fillInput(grad.input) },
  }),
  check: (spec, check) => {
    checkSwiglu(spec, check);
    check.numbers('grad.input', spec.grad.input);
  },
});
