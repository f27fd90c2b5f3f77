import { z } from 'zod';
import type { Operand, SpecBase } from '../base.ts';
import { base, matrix, operand, output } from '../fields.ts';
import { fillOperand } from '../fill.ts';
import { specPart } from '../part.ts';

/** Codes and scales back to x [rows, columns] in `output`. */
export interface DequantizeSpec extends SpecBase {
  readonly kernel: 'dequantize';
  readonly shape: { readonly rows: number; readonly columns: number };
  readonly x: Operand;
  readonly output: 'bf16' | 'f16' | 'f32';
}

/** What a dequantize spec says. */
export const dequantizePart = specPart({
  schema: z.strictObject({
    ...base,
    kernel: z.literal('dequantize'),
    shape: matrix,
    x: operand,
    output: output.optional().describe('Format of the result. Default bf16.'),
  }),
  fill: (spec, filled): DequantizeSpec => ({
    ...filled,
    kernel: 'dequantize',
    shape: spec.shape,
    x: fillOperand(spec.x, 'x'),
    output: spec.output ?? 'bf16',
  }),
  check: (spec, check) => {
    check.elements('shape', spec.shape.rows, spec.shape.columns);
    check.operand('x', spec.x);
  },
});
