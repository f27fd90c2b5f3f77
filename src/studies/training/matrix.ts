/** Values of a matrix: f32 in training, f64 where gradients are checked. */
export type Floats = Float32Array | Float64Array;

/** A row-major matrix [rows, columns]. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly values: Floats;
}

/** Zeros in the element type of `of`. */
export function zeros(of: Floats, length: number): Floats {
  return of instanceof Float64Array ? new Float64Array(length) : new Float32Array(length);
}

/** A matrix of zeros in the element type of `of`. */
export function zeroMatrix(of: Matrix, rows: number, columns: number): Matrix {
  return { rows, columns, values: zeros(of.values, rows * columns) };
}

/** The transposed matrix. */
export function transpose({ rows, columns, values }: Matrix): Matrix {
  return { rows: columns, columns: rows, values: transposeInto(zeros(values, values.length), values, rows, columns) };
}

/** Writes a [rows, columns] matrix turned into `out`, in square pieces that stay in the cache. */
export function transposeInto<T extends Floats | Uint8Array | Uint16Array | Uint32Array>(
  out: T,
  values: T,
  rows: number,
  columns: number,
): T {
  const piece = 32;
  for (let top = 0; top < rows; top += piece) {
    const bottom = Math.min(top + piece, rows);
    for (let left = 0; left < columns; left += piece) {
      const right = Math.min(left + piece, columns);
      for (let row = top; row < bottom; row++) {
        for (let column = left; column < right; column++) out[column * rows + row] = values[row * columns + column]!;
      }
    }
  }
  return out;
}

/** The rows that `index` names, in its order. */
export function gatherRows(x: Matrix, index: readonly number[]): Matrix {
  const { columns, values } = x;
  const out = zeroMatrix(x, index.length, columns);
  for (let i = 0; i < index.length; i++) {
    out.values.set(values.subarray(index[i]! * columns, (index[i]! + 1) * columns), i * columns);
  }
  return out;
}

/** a += b. */
export function addInto(a: Floats, b: Floats): void {
  for (let i = 0; i < a.length; i++) a[i] = a[i]! + b[i]!;
}

/** Rounds f32 values to bf16 in place, ties to even. */
export function roundToBf16(x: Matrix): Matrix {
  const { buffer, byteOffset, length } = x.values;
  const bits = new Uint32Array(buffer, byteOffset, length);
  for (let i = 0; i < length; i++) {
    const word = bits[i]!;
    // Inf and NaN keep their bits: a carry would turn them into something else.
    if ((word & 0x7f800000) !== 0x7f800000) bits[i] = (word + 0x7fff + ((word >>> 16) & 1)) & 0xffff0000;
  }
  return x;
}
