/** A rectangle of a matrix: rows [top, bottom), columns [left, right). */
export interface Bounds {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** Tile extents of a matrix (never 0) and how many tiles there are. */
export interface Tiling {
  readonly tileRows: number;
  readonly tileColumns: number;
  readonly rows: number;
  readonly columns: number;
}

/** The tiles of a [rows, columns] matrix; an extent of 0 means the whole one. */
export function tilingOf(rows: number, columns: number, tile: readonly [number, number]): Tiling {
  const tileRows = tile[0] === 0 ? Math.max(rows, 1) : tile[0];
  const tileColumns = tile[1] === 0 ? Math.max(columns, 1) : tile[1];
  return { tileRows, tileColumns, rows: Math.ceil(rows / tileRows), columns: Math.ceil(columns / tileColumns) };
}

/** The tiles that a rectangle touches, as bounds in tiles. */
export function tilesOf({ top, bottom, left, right }: Bounds, { tileRows, tileColumns }: Tiling): Bounds {
  return {
    top: Math.floor(top / tileRows),
    bottom: Math.ceil(bottom / tileRows),
    left: Math.floor(left / tileColumns),
    right: Math.ceil(right / tileColumns),
  };
}

/** A matrix cut for streaming. `whole`: every slice holds its tiles entirely; else their amax must be known beforehand. */
export interface SlicePlan {
  readonly whole: boolean;
  readonly slices: () => Iterable<Bounds>;
}

/** Elements of a slice: what one worker holds at a time, about 20 bytes each with its buffers. */
export const sliceElements = 2 ** 20;

/**
 * Cuts a matrix into slices of at most `most` elements (where one tile is larger: into parts of tiles). Full rows where they fit, which is one read; slices
 * begin on tile boundaries, and on multiples of 8 columns, so that packed codes of two slices never share a byte.
 */
export function planSlices(rows: number, columns: number, tiling: Tiling, most = sliceElements): SlicePlan {
  const { tileRows, tileColumns } = tiling;
  const whole = Math.min(tileRows, rows) * Math.min(tileColumns, columns) <= most;
  if (tileRows * columns <= most)
    return { whole, slices: () => cut(rows, columns, multiple(most / columns, tileRows), columns) };
  if (whole) {
    const width = multiple(most / tileRows, lcm(tileColumns, 8));
    return { whole, slices: () => cut(rows, columns, tileRows, width) };
  }
  const width = Math.min(columns, multiple(most, 8));
  const height = Math.max(1, Math.floor(most / width));
  return { whole, slices: () => cut(rows, columns, height, width) };
}

function multiple(size: number, of: number): number {
  return Math.max(1, Math.floor(size / of)) * of;
}

function lcm(a: number, b: number): number {
  const gcd = (x: number, y: number): number => (y === 0 ? x : gcd(y, x % y));
  return (a / gcd(a, b)) * b;
}

function* cut(rows: number, columns: number, height: number, width: number): Iterable<Bounds> {
  for (let top = 0; top < rows; top += height) {
    for (let left = 0; left < columns; left += width) {
      yield { top, bottom: Math.min(top + height, rows), left, right: Math.min(left + width, columns) };
    }
  }
}
