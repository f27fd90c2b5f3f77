import { type Floats, type Matrix, zeroMatrix } from './matrix.ts';

const epsilon = 1e-6;

function inverseRoot({ columns, values }: Matrix, row: number): number {
  let squares = 0;
  for (let i = row * columns; i < (row + 1) * columns; i++) squares += values[i]! * values[i]!;
  return 1 / Math.sqrt(squares / columns + epsilon);
}

/** RMSNorm of each row: x / sqrt(mean(x^2) + 1e-6) * gain. */
export function rmsNorm(x: Matrix, gain: Floats): Matrix {
  const out = zeroMatrix(x, x.rows, x.columns);
  for (let row = 0; row < x.rows; row++) {
    const inverse = inverseRoot(x, row);
    const at = row * x.columns;
    for (let i = 0; i < x.columns; i++) out.values[at + i] = x.values[at + i]! * inverse * gain[i]!;
  }
  return out;
}

/** Gradient of the input; that of the gain is added to `gainGradient`. */
export function rmsNormBackward(x: Matrix, gain: Floats, dy: Matrix, gainGradient: Floats): Matrix {
  const dx = zeroMatrix(x, x.rows, x.columns);
  const { columns } = x;
  for (let row = 0; row < x.rows; row++) {
    const inverse = inverseRoot(x, row);
    const at = row * columns;
    let projection = 0;
    for (let i = 0; i < columns; i++) {
      const [value, slope] = [x.values[at + i]!, dy.values[at + i]!];
      gainGradient[i] = gainGradient[i]! + slope * value * inverse;
      projection += slope * gain[i]! * value;
    }
    const pull = (projection * inverse ** 3) / columns;
    for (let i = 0; i < columns; i++) {
      dx.values[at + i] = dy.values[at + i]! * gain[i]! * inverse - x.values[at + i]! * pull;
    }
  }
  return dx;
}
