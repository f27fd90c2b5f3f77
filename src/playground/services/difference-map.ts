import { laneReader } from '../../parity/lanes.ts';
import { matrixShape } from '../../parity/metrics.ts';
import type { Tensor } from '../../tensors/tensor.ts';
import { type Levels, levelOf, noLevel } from '../ui/levels.ts';

/** Where two tensors differ, in at most 128 by 128 cells: counts of differing elements and of all elements a cell. */
export interface DifferenceMap {
  readonly name: string;
  /** Rows and columns of the tensor, seen as a matrix. */
  readonly shape: readonly [rows: number, columns: number];
  /** Rows and columns of the picture. */
  readonly cells: readonly [rows: number, columns: number];
  /** Differing elements of each cell, row-major. */
  readonly differing: Uint32Array;
  /** Elements of each cell. */
  readonly elements: Uint32Array;
  /** The largest magnitude of each cell, from none to the largest of all. */
  readonly magnitudes: Levels;
}

const most = 128;

/** The map of a pair of tensors of equal shape; undefined where they cannot be laid over each other. */
export function differenceMap(name: string, expected: Tensor, actual: Tensor | undefined): DifferenceMap | undefined {
  if (actual === undefined || actual.codes.length !== expected.codes.length) return undefined;
  const [rows, columns] = matrixShape(expected.shape);
  const cells = [Math.min(rows, most), Math.min(columns, most)] as const;
  const differing = new Uint32Array(cells[0] * cells[1]);
  const elements = new Uint32Array(cells[0] * cells[1]);
  // -1 where no element of a cell is finite.
  const largest = new Float64Array(cells[0] * cells[1]).fill(-1);
  const { value } = laneReader(expected.dtype);
  for (let row = 0; row < rows; row++) {
    const line = Math.floor((row * cells[0]) / rows) * cells[1];
    for (let column = 0; column < columns; column++) {
      const cell = line + Math.floor((column * cells[1]) / columns);
      const i = row * columns + column;
      elements[cell]! += 1;
      if (expected.codes[i] !== actual.codes[i]) differing[cell]! += 1;
      const size = Math.abs(value(expected.codes[i]!));
      if (Number.isFinite(size)) largest[cell] = Math.max(largest[cell]!, size);
    }
  }
  return { name, shape: [rows, columns], cells, differing, elements, magnitudes: linearLevels(largest) };
}

/** Levels of sizes by their share of the largest; a negative size is none. */
function linearLevels(sizes: Float64Array): Levels {
  const most = sizes.reduce((top, size) => Math.max(top, size), 0);
  return Uint8Array.from(sizes, (size) => (size < 0 ? noLevel : levelOf(most === 0 ? 0 : size / most)));
}
