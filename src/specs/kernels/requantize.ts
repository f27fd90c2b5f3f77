import { z } from 'zod';
import type { Scheme } from '../../numerics/scheme.ts';
import type { Operand, SpecBase } from '../base.ts';
import { base, matrix, operand, scheme } from '../fields.ts';
import { fillOperand, fillScheme } from '../fill.ts';
import { specPart } from '../part.ts';

/** Codes and scales of `x.scheme` to codes and scales of `to` (DeepSeek-V3 section 3.3.3: 1x128 to 128x1). */
export interface RequantizeSpec extends SpecBase {
  readonly kernel: 'requantize';
  readonly shape: { readonly rows: number; readonly columns: number };
  readonly x: Operand;
  readonly to: Scheme;
}

/** What a requantize spec says. */
export const requantizePart = specPart({
  schema: z.strictObject({
    ...base,
    kernel: z.literal('requantize'),
    shape: matrix,
    x: operand,
    to: scheme,
  }),
  fill: (spec, filled): RequantizeSpec => ({
    ...filled,
    kernel: 'requantize',
    shape: spec.shape,
    x: fillOperand(spec.x, 'x'),
    to: fillScheme(spec.to, 'to'),
  }),
  check: (spec, check) => {
    check.elements('shape', spec.shape.rows, spec.shape.columns);
    check.operand('x', spec.x);
    check.scheme('to', spec.to);
  },
});
