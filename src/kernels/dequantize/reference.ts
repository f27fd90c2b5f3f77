import { decodeBits, encodeBits } from '../../numerics/codec.ts';
import { mulBits } from '../../numerics/f32.ts';
import { formats } from '../../numerics/formats.ts';
import { scaleBits } from '../../numerics/scale.ts';
import type { Scheme } from '../../numerics/scheme.ts';
import type { Operand } from '../../specs/types.ts';
import { allocateCodes, dtypeOfFormat, type Tensor, type Tensors } from '../../tensors/tensor.ts';
import { operandNames } from '../inputs.ts';
import { type Quantized, quantizeReference } from '../quantize/reference.ts';
import { loadScales, requireDType, requireShape, requireTensor, scaleDType, tileGrid } from '../tiles.ts';

/**
 * What the inputs hold of an operand (`a`, `b`, `x`) [rows, columns]: codes with scales, or a high-precision tensor that is to be quantized first.
 * Refuses missing tensors, wrong shapes and wrong dtypes.
 */
export function operandInputs(
  name: string,
  operand: Operand,
  inputs: Tensors,
  rows: number,
  columns: number,
): { readonly quantized: Quantized } | { readonly x: Tensor } {
  const names = operandNames(name);
  if (inputs[names.scales] === undefined && operand.codes === undefined) {
    const x = requireTensor(inputs, name);
    requireShape(name, x, [rows, columns]);
    return { x };
  }
  const codes = requireTensor(inputs, names.codes);
  requireShape(names.codes, codes, [rows, columns]);
  requireDType(names.codes, codes, dtypeOfFormat[operand.scheme.format]);
  const scales = requireTensor(inputs, names.scales);
  requireDType(names.scales, scales, scaleDType(operand.scheme));
  const tensorScale = inputs[names.tensorScale];
  if (tensorScale === undefined) return { quantized: { codes, scales } };
  requireDType(names.tensorScale, tensorScale, 'F32');
  requireShape(names.tensorScale, tensorScale, [1]);
  return { quantized: { codes, scales, tensorScale } };
}

/** An operand's codes and scales: those given, or its high-precision tensor quantized by the scheme. */
export function quantizedOperand(
  name: string,
  operand: Operand,
  inputs: Tensors,
  rows: number,
  columns: number,
): Quantized {
  const given = operandInputs(name, operand, inputs, rows, columns);
  return 'x' in given ? quantizeReference(given.x, operand.scheme) : given.quantized;
}

/** f32 bits of the dequantizing factor of every tile, row-major over the tiles. */
export function tileFactors(quantized: Quantized, scheme: Scheme): Uint32Array {
  const [rows, columns] = quantized.codes.shape as [number, number];
  const stored = loadScales(quantized.scales, tileGrid(rows, columns, scheme), scheme);
  const tensorScale = quantized.tensorScale?.codes[0];
  return Uint32Array.from(stored, (code) => scaleBits(code, scheme, tensorScale));
}

/** f32 bits of fl(code * scale) for every element. */
export function dequantizeWords(quantized: Quantized, scheme: Scheme): Uint32Array {
  const [rows, columns] = quantized.codes.shape as [number, number];
  const grid = tileGrid(rows, columns, scheme);
  const factors = tileFactors(quantized, scheme);
  const format = formats[scheme.format];
  const { codes } = quantized.codes;
  const words = new Uint32Array(codes.length);
  for (let i = 0; i < codes.length; i++) {
    const row = Math.floor(i / columns);
    const tile = Math.floor(row / grid.tileRows) * grid.columns + Math.floor((i - row * columns) / grid.tileColumns);
    words[i] = mulBits(decodeBits(codes[i]!, format), factors[tile]!);
  }
  return words;
}

/** Rounds f32 bits to an output format, nearest even; past the largest finite value Inf. */
export function narrow(words: Uint32Array, output: 'bf16' | 'f16' | 'f32', shape: readonly number[]): Tensor {
  const dtype = dtypeOfFormat[output];
  if (output === 'f32') return { dtype, shape, codes: words };
  const codes = allocateCodes(dtype, words.length);
  for (let i = 0; i < codes.length; i++) codes[i] = encodeBits(words[i]!, formats[output], 'nearest-even', 'ieee');
  return { dtype, shape, codes };
}

/** Codes and scales back to numbers: docs/numerics.md, "Dequantization". */
export function dequantizeReference(quantized: Quantized, scheme: Scheme, output: 'bf16' | 'f16' | 'f32'): Tensor {
  return narrow(dequantizeWords(quantized, scheme), output, quantized.codes.shape);
}
