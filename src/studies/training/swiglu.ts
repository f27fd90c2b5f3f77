import { type Matrix, zeroMatrix } from './matrix.ts';

/** silu(gate) * up of rows that hold gate and up side by side: h [rows, 2 * width] to [rows, width]. */
export function swiglu(h: Matrix): Matrix {
  const width = h.columns / 2;
  const out = zeroMatrix(h, h.rows, width);
  for (let row = 0; row < h.rows; row++) {
    const at = row * h.columns;
    for (let i = 0; i < width; i++) {
      const gate = h.values[at + i]!;
      out.values[row * width + i] = (gate / (1 + Math.exp(-gate))) * h.values[at + width + i]!;
    }
  }
  return out;
}

/** Gradient of h from that of the output. */
export function swigluBackward(h: Matrix, dy: Matrix): Matrix {
  const width = h.columns / 2;
  const dh = zeroMatrix(h, h.rows, h.columns);
  for (let row = 0; row < h.rows; row++) {
    const at = row * h.columns;
    for (let i = 0; i < width; i++) {
      const [gate, up, slope] = [h.values[at + i]!, h.values[at + width + i]!, dy.values[row * width + i]!];
      const sigmoid = 1 / (1 + Math.exp(-gate));
      dh.values[at + i] = slope * up * sigmoid * (1 + gate * (1 - sigmoid));
      dh.values[at + width + i] = slope * gate * sigmoid;
    }
  }
  return dh;
}
