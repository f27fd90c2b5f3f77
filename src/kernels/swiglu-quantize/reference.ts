import { bitsOf, INF_BITS, mulBits } from '../../numerics/f32.ts';
import { swigluBits } from '../../numerics/swiglu.ts';
import type { SwigluFields, SwigluQuantizeSpec } from '../../specs/kernels/swiglu-quantize.ts';
import type { Tensor, Tensors } from '../../tensors/tensor.ts';
import { narrow } from '../dequantize/reference.ts';
import { requireF32, requireIndices } from '../indices.ts';
import { quantizedTensors, quantizeWords, widen } from '../quantize/reference.ts';
import { requireShape, requireTensor } from '../tiles.ts';

/** The tensors of a SwiGLU pass, checked. */
export interface SwigluOperands {
  readonly rows: number;
  readonly inter: number;
  /** x [rows, 2 * inter] in high precision. */
  readonly x: Tensor;
  /** f32 bits of the rows' weights. */
  readonly weights?: Uint32Array;
  /** Slots of the rows; negative ones are padding. */
  readonly rowToSlot?: Uint32Array;
  /** f32 bits; Inf clamps nothing. */
  readonly clamp: number;
}

/** The tensors of a spec, by the names of the contract. Tensors that are given count, whether the spec names them or not. */
export function swigluOperands(spec: SwigluFields, inputs: Tensors): SwigluOperands {
  const { rows, inter } = spec.shape;
  const x = requireTensor(inputs, 'x');
  requireShape('x', x, [rows, 2 * inter]);
  const weighted = spec.weights !== undefined || inputs.weights !== undefined;
  const mapped = spec.rowToSlot !== undefined || inputs.row_to_slot !== undefined;
  return {
    rows,
    inter,
    x,
    clamp: spec.clamp === undefined ? INF_BITS : bitsOf(spec.clamp),
    ...(weighted && { weights: requireF32('weights', requireTensor(inputs, 'weights'), [rows]) }),
    ...(mapped && {
      rowToSlot: requireIndices('row_to_slot', requireTensor(inputs, 'row_to_slot'), [rows], 2 ** 31),
    }),
  };
}

/** True for a row that no slot has. */
export function isPadding({ rowToSlot }: SwigluOperands, row: number): boolean {
  return rowToSlot !== undefined && rowToSlot[row]! >= 0x80000000;
}

/** f32 bits of act [rows, inter]: docs/numerics.md, "SwiGLU". */
export function swigluWords(operands: SwigluOperands): Uint32Array {
  const { rows, inter, x, weights, clamp } = operands;
  const values = widen(x);
  const act = new Uint32Array(rows * inter);
  for (let row = 0; row < rows; row++) {
    if (isPadding(operands, row)) continue;
    for (let column = 0; column < inter; column++) {
      const gate = values[2 * row * inter + column]!;
      const up = values[(2 * row + 1) * inter + column]!;
      const value = swigluBits(gate, up, clamp);
      act[row * inter + column] = weights === undefined ? value : mulBits(value, weights[row]!);
    }
  }
  return act;
}

/** f32 bits [rows, columns] as the spec wants them: codes and scales, or `name` in its output format. */
export function swigluTensors(words: Uint32Array, spec: SwigluFields, name: string, columns: number): Tensors {
  const { rows } = spec.shape;
  if (spec.scheme !== undefined) return quantizedTensors(quantizeWords(words, rows, columns, spec.scheme));
  return { [name]: narrow(words, spec.output ?? 'bf16', [rows, columns]) };
}

/** docs/numerics.md, "SwiGLU". */
export function swigluQuantizeReference(spec: SwigluQuantizeSpec, inputs: Tensors): Tensors {
  return swigluTensors(swigluWords(swigluOperands(spec, inputs)), spec, 'act', spec.shape.inter);
}
