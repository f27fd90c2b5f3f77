import { z } from 'zod';
import type { Arithmetic } from '../../numerics/arithmetic.ts';
import type { Input, Operand, SpecBase } from '../base.ts';
import { type Checker, checker } from '../checker.ts';
import { arithmetic, base, extent, input, operand, output } from '../fields.ts';
import { fillArithmetic, fillInput, fillOperand } from '../fill.ts';
import { specPart } from '../part.ts';

/** D = C + A * B^T with A [m, k], B [n, k]. */
export interface GemmSpec extends SpecBase {
  readonly kernel: 'gemm';
  readonly shape: { readonly m: number; readonly n: number; readonly k: number };
  readonly a: Operand;
  readonly b: Operand;
  readonly c?: { readonly input: Input };
  readonly arithmetic: Arithmetic;
  readonly output: 'bf16' | 'f16' | 'f32';
}

/** What a gemm spec says. */
export const gemmPart = specPart({
  schema: z.strictObject({
    ...base,
    kernel: z.literal('gemm'),
    shape: z.strictObject({ m: extent, n: extent, k: extent }),
    a: operand,
    b: operand,
    c: z.strictObject({ input }).optional().describe('Accumulated onto: D = C + A * B^T. Needs output f32.'),
    arithmetic: arithmetic.optional(),
    output: output.optional().describe('Format of the result. Default bf16.'),
  }),
  fill: (spec, filled): GemmSpec => ({
    ...filled,
    kernel: 'gemm',
    shape: spec.shape,
    a: fillOperand(spec.a, 'a'),
    b: fillOperand(spec.b, 'b'),
    ...(spec.c !== undefined && { c: { input: fillInput(spec.c.input) } }),
    arithmetic: fillArithmetic(spec.arithmetic ?? 'hopper-deepgemm'),
    output: spec.output ?? 'bf16',
  }),
  check: checkGemm,
});

/** Refuses a gemm whose promotion interval and scale tiles contradict each other. */
export function checkPromotion(spec: GemmSpec, where: string): void {
  checkIntervals(spec, checker(where));
}

function checkIntervals(spec: GemmSpec, check: Checker): void {
  check.promotion('a', spec.a.scheme, spec.shape.k, spec.arithmetic);
  check.promotion('b', spec.b.scheme, spec.shape.k, spec.arithmetic);
}

function checkGemm(spec: GemmSpec, check: Checker): void {
  const { m, n, k } = spec.shape;
  check.elements('shape (m x k)', m, k);
  check.elements('shape (n x k)', n, k);
  check.elements('shape (m x n)', m, n);
  check.operand('a', spec.a);
  check.operand('b', spec.b);
  check.model('arithmetic.model', spec.arithmetic.model);
  checkIntervals(spec, check);
  if (spec.c === undefined) return;
  check.numbers('c.input', spec.c.input);
  if (spec.output !== 'f32') {
    check.refuse('c', `c is accumulated in f32, and the output is ${spec.output}`, 'set output to f32, or leave c out');
  }
}
