import { cssColour, type Ramp, resolveColour, themeRamp } from '../../ui/colour.ts';
import type { SurfaceRenderer } from './landscape-gpu.ts';
import { cameraOf, cornersOf, type Eye, trianglesOf } from './surface.ts';
import type { Surface } from './view.ts';

interface Face {
  readonly depth: number;
  readonly at: number;
}

/** The same surface without WebGPU: faces from far to near on a plain canvas. */
export function canvasRenderer(canvas: HTMLCanvasElement): SurfaceRenderer {
  const context = canvas.getContext('2d', { willReadFrequently: true })!;
  let corners = new Float32Array();
  let triangles = new Uint32Array();
  let kind: 'value' | 'error' = 'value';
  return {
    show(surface: Surface, shown) {
      kind = shown;
      corners = cornersOf(surface);
      triangles = trianglesOf(surface);
    },
    draw(eye: Eye, done: () => void) {
      const { width, height } = canvas;
      context.fillStyle = cssColour(resolveColour('var(--surface)'));
      context.fillRect(0, 0, width, height);
      const points = project(corners, cameraOf(eye, width / height), width, height);
      const colours = themeRamp(kind);
      // Two triangles make a face; they are drawn as one.
      const faces: Face[] = [];
      for (let at = 0; at < triangles.length; at += 6) faces.push({ at, depth: points[3 * triangles[at]! + 2]! });
      faces.sort((a, b) => b.depth - a.depth);
      for (const { at } of faces) drawFace(context, points, corners, triangles, at, colours);
      done();
    },
  };
}

function project(corners: Float32Array, camera: Float32Array, width: number, height: number): Float32Array {
  const points = new Float32Array((3 * corners.length) / 4);
  for (let i = 0; i < corners.length / 4; i++) {
    const [x, y, z] = [corners[4 * i]!, corners[4 * i + 1]!, corners[4 * i + 2]!];
    const row = (at: number) => camera[at]! * x + camera[at + 4]! * y + camera[at + 8]! * z + camera[at + 12]!;
    const w = row(3);
    points.set([((row(0) / w + 1) * width) / 2, ((1 - row(1) / w) * height) / 2, w], 3 * i);
  }
  return points;
}

function drawFace(
  context: CanvasRenderingContext2D,
  points: Float32Array,
  corners: Float32Array,
  triangles: Uint32Array,
  at: number,
  colours: Ramp,
): void {
  const [a, b, c, d] = [triangles[at]!, triangles[at + 1]!, triangles[at + 4]!, triangles[at + 2]!];
  const heights = [a, b, c, d].map((corner) => corners[4 * corner + 3]!);
  const share = heights.reduce((sum, height) => sum + height, 0) / 4;
  const slope = Math.min(Math.abs(heights[0]! - heights[1]!) + Math.abs(heights[0]! - heights[3]!), 1);
  const light = 1 - 0.25 * slope;
  const [red, green, blue] = colours[Math.round(share * (colours.length - 1))]!;
  context.fillStyle = `rgb(${red * light} ${green * light} ${blue * light})`;
  context.strokeStyle = context.fillStyle;
  context.beginPath();
  for (const corner of [a, b, c, d]) context.lineTo(points[3 * corner]!, points[3 * corner + 1]!);
  context.closePath();
  context.fill();
  context.stroke();
}
