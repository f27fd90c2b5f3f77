/** Finite numbers, row-major. */
type Matrix = Float32Array | Float64Array;

/** A B in doubles: A [rows, inner], B [inner, columns]. Every sum runs in ascending order of the inner index: the same bits everywhere. */
export function multiply(a: Matrix, b: Matrix, rows: number, inner: number, columns: number): Float64Array {
  const out = new Float64Array(rows * columns);
  const factors = new Float64Array(inner);
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k < inner; k++) factors[k] = a[row * inner + k]!;
    addScaledRows(out, row * columns, factors, b, columns);
  }
  return out;
}

/** A^T B in doubles: A [inner, rows], B [inner, columns]; the same order. */
export function multiplyTransposed(a: Matrix, b: Matrix, inner: number, rows: number, columns: number): Float64Array {
  const out = new Float64Array(rows * columns);
  const factors = new Float64Array(inner);
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k < inner; k++) factors[k] = a[k * rows + row]!;
    addScaledRows(out, row * columns, factors, b, columns);
  }
  return out;
}

/** out[at ..] += the sum over k of factors[k] * row k of b. Four rows a pass, added from the left: a quarter of the loads, the same sums. */
function addScaledRows(out: Float64Array, at: number, factors: Float64Array, b: Matrix, columns: number): void {
  const whole = factors.length - (factors.length % 4);
  for (let k = 0; k < whole; k += 4) {
    const f0 = factors[k]!;
    const f1 = factors[k + 1]!;
    const f2 = factors[k + 2]!;
    const f3 = factors[k + 3]!;
    const r0 = k * columns;
    const r1 = r0 + columns;
    const r2 = r1 + columns;
    const r3 = r2 + columns;
    for (let i = 0; i < columns; i++) {
      out[at + i] = out[at + i]! + f0 * b[r0 + i]! + f1 * b[r1 + i]! + f2 * b[r2 + i]! + f3 * b[r3 + i]!;
    }
  }
  for (let k = whole; k < factors.length; k++) {
    for (let i = 0; i < columns; i++) out[at + i] = out[at + i]! + factors[k]! * b[k * columns + i]!;
  }
}
