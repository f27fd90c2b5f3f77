import { bitsOf } from '../../src/numerics/f32.ts';
import { type FormatName, formats } from '../../src/numerics/formats.ts';
import { quantizeBits, scaleBits, tensorScaleBits, tileScale } from '../../src/numerics/scale.ts';
import type { ScaleRecipe, ScaleType, Scheme } from '../../src/numerics/scheme.ts';
import { nudge } from '../numerics/operands.ts';
import { draw, hex32, hexCodes } from './words.ts';

const VALUES_A_TILE = 8;

const divisions: readonly ScaleRecipe[] = ['divide', 'reciprocal', 'inverse', 'deepep', 'v32', 'te', 'torchao'];
const microscaling: readonly ScaleRecipe[] = ['mx-floor', 'mx-ceil', 'mx-even', 'mx-rceil'];

/** A recipe with the formats it is for. */
interface Subject {
  readonly recipe: ScaleRecipe;
  readonly type: ScaleType;
  readonly amaxFloor: number;
  readonly formats: readonly FormatName[];
}

const subjects: readonly Subject[] = [
  ...divisions.map((recipe): Subject => {
    const amaxFloor = recipe === 'te' ? 0 : recipe === 'torchao' ? 1e-12 : 1e-4;
    return { recipe, type: 'f32', amaxFloor, formats: ['e4m3', 'e5m2'] };
  }),
  { recipe: 'pow2', type: 'f32', amaxFloor: 1e-4, formats: ['e4m3', 'e5m2'] },
  { recipe: 'pow2', type: 'e8m0', amaxFloor: 1e-4, formats: ['e4m3'] },
  ...microscaling.map((recipe): Subject => {
    return { recipe, type: 'e8m0', amaxFloor: 0, formats: ['e4m3', 'e5m2', 'e2m3', 'e3m2', 'e2m1'] };
  }),
  { recipe: 'nvfp4', type: 'e4m3', amaxFloor: 0, formats: ['e2m1'] },
];

/** Largest magnitudes of tiles: zero, subnormals, floors, powers of two and multiples of the formats' maxima with neighbours, Inf, NaN. */
function amaxes(): number[] {
  const turns = [1e-12, 1e-4, 0.75, 1, 1.5, 1.75, 6, 7, 7.5, 28, 448, 464, 496, 57344, 2 ** 100, 2 ** 127];
  const near = turns.flatMap((value) => [-1, 0, 1].map((step) => nudge(bitsOf(value), step)));
  const specials = [0, 1, 0x00400000, 0x007fffff, 0x00800000, 0x7f7fffff, 0x7f800000, 0x7fffffff];
  return [...specials, ...near, ...Array.from(draw(130, 12), (word) => (word & 0x7fffffff) % 0x7f800000)];
}

/** Values of a tile with that amax: the amax itself, its negative, a subnormal, zeros, and random magnitudes below it. */
function tileValues(amax: number, index: number): number[] {
  const words = draw(131 + index, VALUES_A_TILE - 4);
  const random = Array.from(words, (word) => {
    const below = amax === 0 ? 0 : Math.max(amax - (word % 0x05000000), 0);
    return ((word & 0x80000000) | below) >>> 0;
  });
  return [amax, (amax | 0x80000000) >>> 0, Math.min(amax, 3), 0x80000000, ...random];
}

/** Stored scales and codes of tiles, for every recipe. */
export function scaleVectors(): unknown {
  const tiles = amaxes();
  return {
    tiles: tiles.map((amax, i) => ({ amax: hex32([amax]), values: hex32(tileValues(amax, i)) })),
    recipes: subjects.flatMap((subject) => subject.formats.map((format) => recipeVectors(subject, format, tiles))),
  };
}

function recipeVectors({ recipe, type, amaxFloor }: Subject, name: FormatName, tiles: readonly number[]): unknown {
  const format = formats[name];
  const scheme: Scheme = {
    format: name,
    tile: [1, VALUES_A_TILE],
    scale: { type, recipe, amaxFloor, layout: 'row-major' },
    rounding: 'nearest-even',
    overflow: 'saturate',
    seed: 0,
  };
  const tensorScale = recipe === 'nvfp4' ? tensorScaleBits(bitsOf(3000)) : undefined;
  const scales = tiles.map((amax) => tileScale(amax, scheme, tensorScale));
  const codes = tiles.map((amax, i) =>
    tileValues(amax, i).map((x) => quantizeBits(x, scales[i]!.factor, format, 'nearest-even', 'saturate')),
  );
  return {
    recipe,
    format: name,
    scaleType: type,
    amaxFloor,
    ...(tensorScale === undefined ? {} : { tensorScale: hex32([tensorScale]) }),
    scales: hexCodes(
      scales.map(({ stored }) => stored),
      formats[type],
    ),
    factors: hex32(scales.map(({ stored }) => scaleBits(stored, scheme, tensorScale))),
    codes: codes.map((tile) => hexCodes(tile, format)),
  };
}
