import { z } from 'zod';
import { inputError } from '../../errors.ts';
import type { Scheme } from '../../numerics/scheme.ts';
import type { Input, IntegersFrom, RoutingInput, SpecBase } from '../base.ts';
import type { Checker } from '../checker.ts';
import { base, extent, input, output, scheme } from '../fields.ts';
import { fillInput, fillScheme } from '../fill.ts';
import { checkRouting, fillRouting, routingSchema } from '../integers.ts';
import { specPart } from '../part.ts';

/** What the forward and the backward pass of SwiGLU share. */
export interface SwigluFields {
  readonly shape: {
    readonly rows: number;
    /** Columns of gate and of up; half of x. */
    readonly inter: number;
  };
  /** x [rows, 2 * inter]: gate, then up. */
  readonly x: { readonly input: Input };
  /** gate is cut at clamp, up at clamp and -clamp (DeepSeek-V4: 10). */
  readonly clamp?: number;
  /** [rows], f32: each row's weight. */
  readonly weights?: { readonly input: Input };
  /** [rows]: rows with a negative slot are padding and give zeros. */
  readonly rowToSlot?: IntegersFrom<RoutingInput>;
  /** Scheme of the result; without one it is rounded to `output`. */
  readonly scheme?: Scheme;
  readonly output?: 'bf16' | 'f16' | 'f32';
}

/** act = silu(gate) * up, times the row's weight, to codes and scales. */
export interface SwigluQuantizeSpec extends SpecBase, SwigluFields {
  readonly kernel: 'swiglu-quantize';
}

/** Blocks of 128 columns that one thread sums. */
const mostInter = 2 ** 22;

/** Fields of both passes. */
export const swigluFields = {
  shape: z.strictObject({
    rows: extent,
    inter: z.int().min(1).max(mostInter).describe('Columns of gate and of up; x has twice as many.'),
  }),
  x: z.strictObject({ input }),
  clamp: z.number().gt(0).max(3e38).optional().describe('Cuts gate at clamp, up at clamp and -clamp. Default none.'),
  weights: z.strictObject({ input }).optional().describe('Weight of every row, f32. Default: none.'),
  rowToSlot: routingSchema.optional().describe('Slot of every row; negative: a padding row, which gives zeros.'),
  scheme: scheme.optional().describe('Scheme of the result. Without one it is rounded to output.'),
  output: output.optional().describe('Format of the result where there is no scheme. Default bf16.'),
};

const authored = z.strictObject(swigluFields);

/** The fields of both passes, filled; an output beside a scheme is refused. */
export function fillSwiglu(spec: z.infer<typeof authored>): SwigluFields {
  if (spec.scheme !== undefined && spec.output !== undefined) {
    throw inputError('output: a scheme has its own format', 'contradiction', 'output', 'give scheme or output');
  }
  return {
    shape: spec.shape,
    x: { input: fillInput(spec.x.input) },
    ...(spec.clamp !== undefined && { clamp: spec.clamp }),
    ...(spec.weights && { weights: { input: fillInput(spec.weights.input) } }),
    ...(spec.rowToSlot !== undefined && { rowToSlot: fillRouting(spec.rowToSlot, spec.shape.rows) }),
    ...(spec.scheme === undefined ? { output: spec.output ?? 'bf16' } : { scheme: fillScheme(spec.scheme, 'scheme') }),
  };
}

/** Refuses what contradicts itself in either pass. */
export function checkSwiglu(spec: SwigluFields, check: Checker): void {
  const { rows, inter } = spec.shape;
  check.elements('shape (rows x 2 inter)', rows, 2 * inter);
  check.numbers('x.input', spec.x.input);
  if (spec.weights !== undefined) check.f32('weights.input', spec.weights.input);
  if (spec.rowToSlot !== undefined) checkRouting(check, 'rowToSlot', spec.rowToSlot, rows);
  if (spec.scheme !== undefined) check.scheme('scheme', spec.scheme);
}

/** What a swiglu-quantize spec says. */
export const swigluQuantizePart = specPart({
  schema: z.strictObject({ ...base, kernel: z.literal('swiglu-quantize'), ...swigluFields }),
  fill: (spec, filled): SwigluQuantizeSpec => ({ ...filled, kernel: 'swiglu-quantize', ...fillSwiglu(spec) }),
  check: (spec, check) => checkSwiglu(spec, check),
});
