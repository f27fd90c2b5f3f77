import { mat4 } from 'wgpu-matrix';

/** A field of heights from 0 to 1, at most {@link mostCells} a side; colours go with the heights. */
export interface Surface {
  readonly rows: number;
  readonly columns: number;
  readonly heights: Float32Array;
}

const mostCells = 96;

/** The field of a matrix of shares: each cell has the largest of the elements it stands for. */
export function surfaceOf(shares: Float32Array, rows: number, columns: number): Surface {
  const height = Math.min(rows, mostCells);
  const width = Math.min(columns, mostCells);
  const heights = new Float32Array(height * width);
  for (let row = 0; row < rows; row++) {
    const line = Math.floor((row * height) / rows) * width;
    for (let column = 0; column < columns; column++) {
      const cell = line + Math.floor((column * width) / columns);
      const share = shares[row * columns + column]!;
      if (share > heights[cell]!) heights[cell] = share;
    }
  }
  return { rows: height, columns: width, heights };
}

/** Where the eye is: angles in radians, distance in widths of the field. */
export interface Eye {
  readonly turn: number;
  readonly tilt: number;
  readonly distance: number;
}

/** The eye at the start. */
export const firstEye: Eye = { turn: 0.55, tilt: 0.62, distance: 3.4 };

/** An eye moved, within what makes sense. */
export function moveEye(eye: Eye, turn: number, tilt: number, zoom: number): Eye {
  return {
    turn: eye.turn + turn,
    tilt: Math.min(Math.max(eye.tilt + tilt, 0.08), 1.5),
    distance: Math.min(Math.max(eye.distance * zoom, 1.2), 5),
  };
}

/** Matrix from the field's space (x and z in -1..1, y up) to clip space. */
export function cameraOf(eye: Eye, aspect: number): Float32Array {
  const flat = Math.cos(eye.tilt) * eye.distance;
  const place = [Math.sin(eye.turn) * flat, Math.sin(eye.tilt) * eye.distance, Math.cos(eye.turn) * flat];
  const projection = mat4.perspective(0.75, aspect, 0.1, 20);
  return mat4.multiply(projection, mat4.lookAt(place, [0, 0.02, 0], [0, 1, 0])) as Float32Array;
}

/** Corners of the field, x y z and share each: a cell is a flat step, so that single elements stand out. */
export function cornersOf({ rows, columns, heights }: Surface): Float32Array<ArrayBuffer> {
  const corners = new Float32Array(4 * rows * columns);
  const depth = Math.min(Math.max(rows / columns, 0.45), 1);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const i = row * columns + column;
      const x = columns === 1 ? 0 : (2 * column) / (columns - 1) - 1;
      const z = rows === 1 ? 0 : ((2 * row) / (rows - 1) - 1) * depth;
      corners.set([x, 0.5 * heights[i]!, z, heights[i]!], 4 * i);
    }
  }
  return corners;
}

/** Two triangles a cell. */
export function trianglesOf({ rows, columns }: Pick<Surface, 'rows' | 'columns'>): Uint32Array<ArrayBuffer> {
  const triangles = new Uint32Array(6 * Math.max(rows - 1, 0) * Math.max(columns - 1, 0));
  let at = 0;
  for (let row = 0; row + 1 < rows; row++) {
    for (let column = 0; column + 1 < columns; column++) {
      const i = row * columns + column;
      triangles.set([i, i + 1, i + columns, i + 1, i + columns + 1, i + columns], at);
      at += 6;
    }
  }
  return triangles;
}
