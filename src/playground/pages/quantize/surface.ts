import { mat4 } from 'wgpu-matrix';
import { noLevel } from '../../ui/levels.ts';
import type { Surface } from './view.ts';

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
export function cornersOf({ rows, columns, levels }: Surface): Float32Array<ArrayBuffer> {
  const corners = new Float32Array(4 * rows * columns);
  const depth = Math.min(Math.max(rows / columns, 0.45), 1);
  for (let row = 0, at = 0; row < rows; row++) {
    const z = rows === 1 ? 0 : ((2 * row) / (rows - 1) - 1) * depth;
    for (let column = 0; column < columns; column++, at += 4) {
      const share = levels[at >> 2]! / (noLevel - 1);
      corners[at] = columns === 1 ? 0 : (2 * column) / (columns - 1) - 1;
      corners[at + 1] = 0.5 * share;
      corners[at + 2] = z;
      corners[at + 3] = share;
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
