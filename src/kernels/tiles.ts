import { inputError } from '../errors.ts';
import type { Scheme } from '../numerics/scheme.ts';
import { allocateCodes, type DType, dtypeOfFormat, type Tensor, type TensorDeclaration } from '../tensors/tensor.ts';

/** A matrix cut into tiles: tile extents (never 0) and how many there are. */
export interface TileGrid {
  readonly tileRows: number;
  readonly tileColumns: number;
  readonly rows: number;
  readonly columns: number;
}

/** The tiles of a [rows, columns] matrix under a scheme; those at a ragged edge are cut. */
export function tileGrid(rows: number, columns: number, scheme: Scheme): TileGrid {
  const tileRows = scheme.tile[0] === 0 ? rows : scheme.tile[0];
  const tileColumns = scheme.tile[1] === 0 ? columns : scheme.tile[1];
  return { tileRows, tileColumns, rows: Math.ceil(rows / tileRows), columns: Math.ceil(columns / tileColumns) };
}

/** dtype of a scheme's stored scales. */
export function scaleDType(scheme: Scheme): DType {
  return scheme.scale.layout === 'packed-e8m0' ? 'I32' : dtypeOfFormat[scheme.scale.type];
}

const alignTo4 = (n: number): number => Math.ceil(n / 4) * 4;

/** Shape of the stored scales in the scheme's layout. */
export function scaleShape(grid: TileGrid, scheme: Scheme): readonly [number, number] {
  switch (scheme.scale.layout) {
    case 'row-major':
      return [grid.rows, grid.columns];
    case 'mn-major':
      return [grid.columns, alignTo4(grid.rows)];
    case 'packed-e8m0':
      return [Math.ceil(grid.columns / 4), alignTo4(grid.rows)];
  }
}

/** Declarations of a quantized matrix: `codes`, `scales` and, for nvfp4, `tensor_scale`. */
export function quantizedDeclarations(rows: number, columns: number, scheme: Scheme): readonly TensorDeclaration[] {
  const grid = tileGrid(rows, columns, scheme);
  const declarations: TensorDeclaration[] = [
    { name: 'codes', dtype: dtypeOfFormat[scheme.format], shape: [rows, columns] },
    { name: 'scales', dtype: scaleDType(scheme), shape: scaleShape(grid, scheme) },
  ];
  if (scheme.scale.recipe === 'nvfp4') declarations.push({ name: 'tensor_scale', dtype: 'F32', shape: [1] });
  return declarations;
}

/** Lays row-major scales [grid.rows, grid.columns] out as the scheme stores them; padding is zero. */
export function storeScales(rowMajor: Tensor['codes'], grid: TileGrid, scheme: Scheme): Tensor {
  const dtype = scaleDType(scheme);
  const shape = scaleShape(grid, scheme);
  if (scheme.scale.layout === 'row-major') return { dtype, shape, codes: rowMajor };
  const codes = allocateCodes(dtype, shape[0] * shape[1]);
  forEachScale(grid, scheme, (tile, word, shift) => {
    codes[word] = (codes[word]! | (rowMajor[tile]! << shift)) >>> 0;
  });
  return { dtype, shape, codes };
}

/** The way back: scales as stored to row-major lanes of the scale type. */
export function loadScales(scales: Tensor, grid: TileGrid, scheme: Scheme): Tensor['codes'] {
  requireShape('scales', scales, scaleShape(grid, scheme));
  if (scheme.scale.layout === 'row-major') return scales.codes;
  const rowMajor = allocateCodes(dtypeOfFormat[scheme.scale.type], grid.rows * grid.columns);
  forEachScale(grid, scheme, (tile, word, shift) => {
    rowMajor[tile] =
      scheme.scale.layout === 'packed-e8m0' ? (scales.codes[word]! >>> shift) & 0xff : scales.codes[word]!;
  });
  return rowMajor;
}

function forEachScale(
  grid: TileGrid,
  scheme: Scheme,
  visit: (tile: number, word: number, shift: number) => void,
): void {
  const packed = scheme.scale.layout === 'packed-e8m0';
  const stride = alignTo4(grid.rows);
  for (let row = 0; row < grid.rows; row++) {
    for (let column = 0; column < grid.columns; column++) {
      const line = packed ? column >> 2 : column;
      visit(row * grid.columns + column, line * stride + row, packed ? 8 * (column & 3) : 0);
    }
  }
}

/** Refuses a tensor whose shape is not the one its kernel needs. */
export function requireShape(name: string, tensor: Tensor, shape: readonly number[]): void {
  if (tensor.shape.length === shape.length && tensor.shape.every((extent, i) => extent === shape[i])) return;
  throw inputError(
    `tensor ${name} has shape [${tensor.shape.join(', ')}], expected [${shape.join(', ')}]`,
    'wrong-shape',
    name,
    'give the tensor the shape that the spec declares, or change the spec',
  );
}

/** Refuses a tensor whose elements are not what its kernel reads: the same bits would be other numbers. */
export function requireDType(name: string, tensor: Tensor, dtype: DType): void {
  if (tensor.dtype === dtype) return;
  throw inputError(
    `tensor ${name} has dtype ${tensor.dtype}, expected ${dtype}`,
    'wrong-dtype',
    name,
    "give the tensor in the dtype of the spec's scheme, or change the spec",
  );
}

/** The tensor of a name, or a clear refusal. */
export function requireTensor(tensors: Readonly<Record<string, Tensor>>, name: string): Tensor {
  const tensor = tensors[name];
  if (tensor !== undefined) return tensor;
  throw inputError(
    `no tensor named ${name}; there are ${Object.keys(tensors).join(', ') || 'none'}`,
    'missing-tensor',
    name,
    'name the input tensors as docs/architecture.md lists them',
  );
}
