import { inputError } from '../errors.ts';
import type { Tensor } from '../tensors/tensor.ts';
import { requireShape } from './tiles.ts';

/** Lane of a slot or row that goes nowhere: -1. */
export const NOWHERE = 0xffffffff;

const isNegative = (lane: number): boolean => lane >= 0x80000000;
const isOtherNegative = (lane: number): boolean => isNegative(lane) && lane !== NOWHERE;

/** An I32 tensor under a kernel's name. */
export function integers(codes: Uint32Array, shape: readonly number[]): Tensor {
  return { dtype: 'I32', shape, codes };
}

/** Lanes of an I32 tensor of this shape whose elements are below `below`, or negative for none, which comes out as {@link NOWHERE}; refuses others. */
export function requireIndices(name: string, tensor: Tensor, shape: readonly number[], below: number): Uint32Array {
  requireShape(name, tensor, shape);
  if (tensor.dtype !== 'I32') {
    throw inputError(`tensor ${name} is ${tensor.dtype}, expected I32`, 'wrong-dtype', name, 'give 32-bit integers');
  }
  const codes = tensor.codes as Uint32Array;
  const wrong = codes.findIndex((lane) => lane >= below && !isNegative(lane));
  if (wrong < 0) return codes.some(isOtherNegative) ? codes.map((lane) => (isNegative(lane) ? NOWHERE : lane)) : codes;
  throw inputError(
    `${name} has ${codes[wrong]} at element ${wrong}; there are ${below}`,
    'out-of-range',
    `${name}, element ${wrong}`,
    `give 0 to ${below - 1}, or -1 for none`,
  );
}

/** f32 bits of a tensor of weights; refuses another shape or dtype. */
export function requireF32(name: string, tensor: Tensor, shape: readonly number[]): Uint32Array {
  requireShape(name, tensor, shape);
  if (tensor.dtype === 'F32') return tensor.codes as Uint32Array;
  throw inputError(`tensor ${name} is ${tensor.dtype}, expected F32`, 'wrong-dtype', name, 'give f32 values');
}

/** Lanes of an I32 tensor of counts; refuses negative ones. */
export function requireCounts(name: string, tensor: Tensor, shape: readonly number[]): Uint32Array {
  requireShape(name, tensor, shape);
  const codes = tensor.codes as Uint32Array;
  const wrong = tensor.dtype === 'I32' ? codes.findIndex((lane) => lane >= 0x80000000) : 0;
  if (wrong < 0) return codes;
  throw inputError(
    tensor.dtype === 'I32'
      ? `${name} has ${codes[wrong]! | 0} at element ${wrong}`
      : `tensor ${name} is ${tensor.dtype}, expected I32`,
    'wrong-count',
    `${name}, element ${wrong}`,
    'give whole numbers of at least 0 as 32-bit integers',
  );
}
