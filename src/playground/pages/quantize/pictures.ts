import { type Levels, levelOf, noLevel } from '../../ui/levels.ts';
import { type Pictures, type QuantizeView, type Surface, tileOf } from './view.ts';

type Base = Pick<QuantizeView, 'rows' | 'columns' | 'values' | 'grid' | 'factors' | 'back'>;

/** A scale of magnitudes: the largest, and the powers of two below it that have a level. */
interface Octaves {
  readonly largest: number;
  readonly octaves: number;
}

/** Least and most powers of two that a picture spans. */
const span = { least: 6, most: 24 } as const;

/** Elements that a scale is read off: enough for a median. */
const sample = 2048;

/** A scale on which both the largest magnitude and the ordinary ones can be told apart. */
function octavesOf(magnitudes: readonly ArrayLike<number>[]): Octaves {
  const some: number[] = [];
  let largest = 0;
  for (const values of magnitudes) {
    const stride = Math.max(Math.floor(values.length / sample), 1);
    for (let i = 0; i < values.length; i++) {
      const size = Math.abs(values[i]!);
      if (size > largest && size < Number.POSITIVE_INFINITY) largest = size;
      if (i % stride === 0 && size > 0 && size < Number.POSITIVE_INFINITY) some.push(size);
    }
  }
  const median = some.sort((a, b) => a - b)[some.length >> 1] ?? largest;
  const below = Math.ceil(1.3 * Math.log2(largest / median || 1)) + 4;
  return { largest, octaves: Math.min(Math.max(below, span.least), span.most) };
}

/** Levels of magnitudes on a log scale; zero alone has level 0. */
function magnitudeLevels(values: ArrayLike<number>, { largest, octaves }: Octaves): Levels {
  const top = Math.log2(largest || 1);
  return Uint8Array.from(values, (value) => {
    if (Number.isNaN(value)) return noLevel;
    const size = Math.abs(value);
    return size === 0 ? 0 : levelOf(Math.min(Math.max(1 + (Math.log2(size) - top) / octaves, 0.02), 1));
  });
}

/** Cells of a surface on its longer side, at most. */
const mostCells = 96;

/** The surface of a matrix of levels: each cell has the highest of the elements it stands for. Cells without a value lie on the ground. */
export function surfaceOf(level: (i: number) => number, rows: number, columns: number): Surface {
  const height = Math.min(rows, mostCells);
  const width = Math.min(columns, mostCells);
  const levels = new Uint8Array(height * width);
  for (let row = 0; row < rows; row++) {
    const line = Math.floor((row * height) / rows) * width;
    for (let column = 0; column < columns; column++) {
      const cell = line + Math.floor((column * width) / columns);
      const here = level(row * columns + column);
      if (here !== noLevel && here > levels[cell]!) levels[cell] = here;
    }
  }
  return { rows: height, columns: width, levels };
}

/** The pictures of one matrix under several schemes: errors share one scale, so that they can be compared. */
export function picturesOf(views: readonly Base[]): Pictures[] {
  const [first] = views;
  if (first === undefined) return [];
  const { rows, columns, values } = first;
  const sizes = octavesOf([values]);
  const magnitude = magnitudeLevels(values, sizes);
  const losses = views.map(({ back }) => back.map((value, i) => value - values[i]!));
  const lossOctaves = octavesOf(losses);
  const magnitudeSurface = surfaceOf((i) => magnitude[i]!, rows, columns);
  return views.map((view, at) => {
    const error = magnitudeLevels(losses[at]!, lossOctaves);
    const scale = magnitudeLevels(view.factors, octavesOf([view.factors]));
    return {
      magnitude,
      ...sizes,
      error,
      scale,
      surfaces: {
        magnitude: magnitudeSurface,
        error: surfaceOf((i) => error[i]!, rows, columns),
        scale: surfaceOf((i) => scale[tileOf(view, i)]!, rows, columns),
      },
    };
  });
}
