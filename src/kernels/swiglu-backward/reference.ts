import { addBits, fmaBits, mulBits } from '../../numerics/f32.ts';
import { swigluBits, swigluGradients } from '../../numerics/swiglu.ts';
import type { SwigluBackwardSpec } from '../../specs/types.ts';
import type { Tensor, Tensors } from '../../tensors/tensor.ts';
import { widen } from '../quantize/reference.ts';
import { isPadding, type SwigluOperands, swigluOperands, swigluTensors } from '../swiglu-quantize/reference.ts';
import { requireShape, requireTensor } from '../tiles.ts';

/** Columns whose products are summed one after the other before the sums are. */
export const sumColumns = 128;

/** The tensors of a backward pass, checked. */
export interface SwigluBackwardOperands extends SwigluOperands {
  /** [rows, inter] in high precision. */
  readonly grad: Tensor;
}

/** The tensors of a spec. */
export function swigluBackwardOperands(spec: SwigluBackwardSpec, inputs: Tensors): SwigluBackwardOperands {
  const grad = requireTensor(inputs, 'grad');
  requireShape('grad', grad, [spec.shape.rows, spec.shape.inter]);
  return { ...swigluOperands(spec, inputs), grad };
}

/** docs/numerics.md, "SwiGLU": the way back. */
export function swigluBackwardReference(spec: SwigluBackwardSpec, inputs: Tensors): Tensors {
  const operands = swigluBackwardOperands(spec, inputs);
  const { rows, inter, weights } = operands;
  const tensors = swigluTensors(gradientWords(operands), spec, 'dx', 2 * inter);
  if (weights === undefined) return tensors;
  const dweights = new Uint32Array(rows);
  const x = widen(operands.x);
  const grad = widen(operands.grad);
  for (let row = 0; row < rows; row++)
    if (!isPadding(operands, row))
      dweights[row] = weightGradient(rowOf(x, row, 2 * inter), rowOf(grad, row, inter), operands);
  return { ...tensors, dweights: { dtype: 'F32', shape: [rows], codes: dweights } };
}

/** f32 bits of dx [rows, 2 * inter]. */
export function gradientWords(operands: SwigluBackwardOperands): Uint32Array {
  const { rows, inter, weights } = operands;
  const x = widen(operands.x);
  const grad = widen(operands.grad);
  const dx = new Uint32Array(2 * rows * inter);
  for (let row = 0; row < rows; row++) {
    if (isPadding(operands, row)) continue;
    const [gateUp, incoming] = [rowOf(x, row, 2 * inter), rowOf(grad, row, inter)];
    gradients(gateUp, incoming, operands, weights?.[row], rowOf(dx, row, 2 * inter));
  }
  return dx;
}

const rowOf = (words: Uint32Array, row: number, columns: number): Uint32Array =>
  words.subarray(row * columns, (row + 1) * columns);

function gradients(
  x: Uint32Array,
  grad: Uint32Array,
  { inter, clamp }: SwigluOperands,
  weight: number | undefined,
  dx: Uint32Array,
): void {
  for (let column = 0; column < inter; column++) {
    const weighted = weight === undefined ? grad[column]! : mulBits(grad[column]!, weight);
    const { gate, up } = swigluGradients(x[column]!, x[inter + column]!, weighted, clamp);
    dx[column] = gate;
    dx[inter + column] = up;
  }
}

/** Sum of grad * act over a row: 128 columns at a time, then their sums, ascending. */
function weightGradient(x: Uint32Array, grad: Uint32Array, { inter, clamp }: SwigluOperands): number {
  let total = 0;
  for (let start = 0; start < inter; start += sumColumns) {
    let sum = 0;
    for (let column = start; column < Math.min(start + sumColumns, inter); column++) {
      sum = fmaBits(grad[column]!, swigluBits(x[column]!, x[inter + column]!, clamp), sum);
    }
    total = addBits(total, sum);
  }
  return total;
}
