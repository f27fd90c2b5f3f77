import type { Scheme } from '../../numerics/scheme.ts';
import type { Operand } from '../../specs/types.ts';
import { allocateCodes, dtypeOfFormat, elementCount, type Tensor, type Tensors } from '../../tensors/tensor.ts';
import { declareOperand, operandNames } from '../inputs.ts';
import type { InputDeclaration } from '../kernel.ts';
import type { Quantized } from '../quantize/reference.ts';
import { loadScales, requireShape, scaleShape, tileGrid } from '../tiles.ts';
import type { GroupRange } from './layout.ts';

/** Declarations of a stack of matrices [groups, rows, columns], each an operand of its own. */
export function declareStack(
  name: string,
  operand: Operand,
  groups: number,
  rows: number,
  columns: number,
): readonly InputDeclaration[] {
  const one = declareOperand(name, operand, rows, columns);
  return one.map((declaration) => ({ ...declaration, shape: [groups, ...declaration.shape] }));
}

/** One matrix of a stack: its tensors among the inputs, as an operand [rows, columns] has them. */
export function layerInputs(
  name: string,
  operand: Operand,
  inputs: Tensors,
  group: number,
  [groups, rows, columns]: readonly [number, number, number],
): Tensors {
  const names = operandNames(name);
  const grid = tileGrid(rows, columns, operand.scheme);
  const shapes: Readonly<Record<string, readonly number[]>> = {
    [names.codes]: [rows, columns],
    [names.scales]: scaleShape(grid, operand.scheme),
    [names.tensorScale]: [1],
  };
  const layers: Record<string, Tensor> = {};
  for (const [tensor, shape] of Object.entries(shapes)) {
    const stack = inputs[tensor];
    if (stack === undefined) continue;
    requireShape(tensor, stack, tensor === names.tensorScale ? [groups] : [groups, ...shape]);
    const count = elementCount(shape);
    layers[tensor] = { dtype: stack.dtype, shape, codes: stack.codes.subarray(group * count, (group + 1) * count) };
  }
  return layers;
}

/** A matrix with zeros in the rows, or the columns, outside the ranges: what belongs to no group is in no scale. */
export function zeroOutside(x: Tensor, ranges: readonly GroupRange[], axis: 'rows' | 'columns'): Tensor {
  const [rows, columns] = x.shape.slice(-2) as [number, number];
  const codes = allocateCodes(x.dtype, x.codes.length);
  for (const { start, count } of ranges) {
    if (axis === 'rows') {
      codes.set(x.codes.subarray(start * columns, (start + count) * columns), start * columns);
      continue;
    }
    for (let row = 0; row < rows; row++) {
      const at = row * columns + start;
      codes.set(x.codes.subarray(at, at + count), at);
    }
  }
  return { ...x, codes };
}

/** A scheme whose scales lie row by row. */
export function rowMajor(scheme: Scheme): Scheme {
  return { ...scheme, scale: { ...scheme.scale, layout: 'row-major' } };
}

/** Rows of a quantized matrix, beginning at a tile, in the scheme {@link rowMajor} gives. */
export function sliceRows(quantized: Quantized, scheme: Scheme, { start, count }: GroupRange): Quantized {
  const [rows, columns] = quantized.codes.shape as [number, number];
  const grid = tileGrid(rows, columns, scheme);
  const first = Math.floor(start / grid.tileRows);
  const tiles = Math.ceil((start + count) / grid.tileRows) - first;
  const scales = loadScales(quantized.scales, grid, scheme);
  return {
    ...quantized,
    codes: {
      ...quantized.codes,
      shape: [count, columns],
      codes: quantized.codes.codes.subarray(start * columns, (start + count) * columns),
    },
    scales: {
      dtype: dtypeOfFormat[scheme.scale.type],
      shape: [tiles, grid.columns],
      codes: scales.subarray(first * grid.columns, (first + tiles) * grid.columns),
    },
  };
}

/** Columns of a quantized matrix, beginning at a tile, in the scheme {@link rowMajor} gives. */
export function sliceColumns(quantized: Quantized, scheme: Scheme, { start, count }: GroupRange): Quantized {
  const [rows, columns] = quantized.codes.shape as [number, number];
  const grid = tileGrid(rows, columns, scheme);
  const first = Math.floor(start / grid.tileColumns);
  const tiles = Math.ceil((start + count) / grid.tileColumns) - first;
  const scales = { dtype: dtypeOfFormat[scheme.scale.type], shape: [grid.rows, grid.columns] };
  return {
    ...quantized,
    codes: cutColumns(quantized.codes, start, count),
    scales: cutColumns({ ...scales, codes: loadScales(quantized.scales, grid, scheme) }, first, tiles),
  };
}

/** Columns [start, start + count) of a matrix. */
export function cutColumns({ dtype, shape, codes }: Tensor, start: number, count: number): Tensor {
  const [rows, columns] = shape as [number, number];
  const cut = allocateCodes(dtype, rows * count);
  for (let row = 0; row < rows; row++) {
    const at = row * columns + start;
    cut.set(codes.subarray(at, at + count), row * count);
  }
  return { dtype, shape: [rows, count], codes: cut };
}

const unitScheme = { type: 'f32', recipe: 'divide', amaxFloor: 0, layout: 'row-major' } as const;

/** The scheme of {@link zeroOperand}. */
export function zeroScheme(scheme: Scheme): Scheme {
  return { ...scheme, tile: [0, 0], scale: unitScheme };
}

/** One column of zeros with a scale of 1: what a group without k multiplies, so that its product is +0. */
export function zeroOperand(rows: number, { format }: Scheme): Quantized {
  const dtype = dtypeOfFormat[format];
  return {
    codes: { dtype, shape: [rows, 1], codes: allocateCodes(dtype, rows) },
    scales: { dtype: 'F32', shape: [1, 1], codes: Uint32Array.of(0x3f800000) },
  };
}
