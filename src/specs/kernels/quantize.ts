import { z } from 'zod';
import type { Scheme } from '../../numerics/scheme.ts';
import type { Input, SpecBase } from '../base.ts';
import { base, input, matrix, scheme } from '../fields.ts';
import { fillInput, fillScheme } from '../fill.ts';
import { specPart } from '../part.ts';

/** x [rows, columns] to codes and scales. */
export interface QuantizeSpec extends SpecBase {
  readonly kernel: 'quantize';
  readonly shape: { readonly rows: number; readonly columns: number };
  readonly x: { readonly input: Input };
  readonly scheme: Scheme;
}

/** What a quantize spec says. */
export const quantizePart = specPart({
  schema: z.strictObject({
    ...base,
    kernel: z.literal('quantize'),
    shape: matrix,
    x: z.strictObject({ input }),
    scheme,
  }),
  fill: (spec, filled): QuantizeSpec => ({
    ...filled,
    kernel: 'quantize',
    shape: spec.shape,
    x: { input: fillInput(spec.x.input) },
    scheme: fillScheme(spec.scheme, 'scheme'),
  }),
  check: (spec, check) => {
    check.elements('shape', spec.shape.rows, spec.shape.columns);
    check.numbers('x.input', spec.x.input);
    check.scheme('scheme', spec.scheme);
  },
});
