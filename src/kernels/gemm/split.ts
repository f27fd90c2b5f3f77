import type { Gpu } from '../../backends/webgpu/gpu.ts';
import { type Band, rowBands } from '../bands.ts';

/** A band of B's rows (D's columns) and the bands of A's rows that meet it. */
export interface ProductPiece {
  readonly band: Band;
  readonly others: readonly Band[];
}

/** Multiply-adds of one dispatch: a second or so on an adapter that is slow at integers, below what drivers allow a dispatch. */
const dispatchWork = 2 ** 31;

/**
 * Cuts a product [m, n] so that packed operands (4 bytes a word, `rowWords` words a row), the f32 product and the result fit their bindings.
 * Pieces begin at multiples of four rows where more than three fit; none has more than `mostRows`, a multiple of four.
 */
export function cutProduct(
  gpu: Gpu,
  m: number,
  n: number,
  rowWords: number,
  outputBytes: number,
  mostRows = Number.POSITIVE_INFINITY,
): readonly ProductPiece[] {
  const padded = (rows: number): number => 4 * Math.ceil(rows / 4);
  // Four rows are packed together: a row costs its share of a whole group, hence the limit for groups.
  const operandBytes = 16 * rowWords;
  const columns = groupBands(gpu, n, Math.max(operandBytes, 16 * Math.max(4, outputBytes)), mostRows / 4);
  return columns.map((band) => {
    const productBytes = 4 * padded(band.rows) * Math.max(4, outputBytes);
    const most = Math.max(Math.floor(dispatchWork / (band.rows * rowWords) / 4), 1);
    return { band, others: groupBands(gpu, m, Math.max(operandBytes, productBytes), Math.min(most, mostRows / 4)) };
  });
}

/** Bands of whole groups of four rows, at most `most` groups each. */
function groupBands(gpu: Gpu, rows: number, bytesPerGroup: number, most: number): readonly Band[] {
  const groups = rowBands(gpu, 0, Math.ceil(rows / 4), bytesPerGroup);
  return groups.flatMap((band) => {
    const bands: Band[] = [];
    for (let at = band.start; at < band.start + band.rows; at += most) {
      const count = Math.min(most, band.start + band.rows - at);
      bands.push({ start: 4 * at, rows: Math.min(4 * count, rows - 4 * at) });
    }
    return bands;
  });
}
