import type { Scheme } from '../numerics/scheme.ts';
import { allocateCodes, type Codes, dtypeOfFormat, type Tensor } from '../tensors/tensor.ts';
import type { Quantized } from './quantize/reference.ts';
import { loadScales, tileGrid } from './tiles.ts';

/** A quantized matrix [rows, columns] as [columns, rows]: the same codes and scales moved, in the scheme `transposedScheme` gives. */
export function transposeQuantized(quantized: Quantized, scheme: Scheme): Quantized {
  const [rows, columns] = quantized.codes.shape as [number, number];
  const grid = tileGrid(rows, columns, scheme);
  const scales = loadScales(quantized.scales, grid, scheme);
  return {
    ...quantized,
    codes: { ...quantized.codes, shape: [columns, rows], codes: transposeLanes(quantized.codes.codes, rows, columns) },
    scales: {
      dtype: dtypeOfFormat[scheme.scale.type],
      shape: [grid.columns, grid.rows],
      codes: transposeLanes(scales, grid.rows, grid.columns),
    },
  };
}

function transposeLanes(codes: Codes, rows: number, columns: number): Codes {
  const Lanes = codes.constructor as new (length: number) => Codes;
  const moved = new Lanes(codes.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) moved[column * rows + row] = codes[row * columns + column]!;
  }
  return moved;
}

/** Matrices of one shape as a stack. */
export function stackTensors(matrices: readonly Tensor[]): Tensor {
  const { dtype, shape } = matrices[0]!;
  const length = matrices[0]!.codes.length;
  const codes = allocateCodes(dtype, matrices.length * length);
  for (const [i, matrix] of matrices.entries()) codes.set(matrix.codes, i * length);
  return { dtype, shape: [matrices.length, ...shape], codes };
}
