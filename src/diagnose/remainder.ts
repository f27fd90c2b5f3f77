import { laneReader, ulpDistance } from '../parity/lanes.ts';
import type { DType } from '../tensors/tensor.ts';

/** What the differing elements of a matrix have in common, in words, the most telling first. */
export function patternOf(
  dtype: DType,
  shape: readonly number[],
  places: readonly number[],
  expected: ArrayLike<number>,
  actual: ArrayLike<number>,
): string[] {
  if (places.length === 0) return [];
  const found = [...whereWords(shape, places), ...howWords(dtype, places, expected, actual)];
  return found.length > 0 ? found : ['no pattern in where they are or how far off'];
}

/** Where they are: rows, columns, edges, a rhythm. */
function whereWords(shape: readonly number[], places: readonly number[]): string[] {
  const columns = shape.at(-1) ?? 1;
  const rows = Math.max(Math.round(shape.reduce((a, b) => a * b, 1) / columns), 1);
  const row = places.map((i) => Math.floor(i / columns));
  const column = places.map((i) => i % columns);
  if (places.length === rows * columns) return ['every element differs'];
  return [...lineWords('row', row, rows), ...lineWords('column', column, columns)];
}

function lineWords(name: string, at: readonly number[], extent: number): string[] {
  const distinct = [...new Set(at)].sort((a, b) => a - b);
  if (extent < 2) return [];
  if (distinct.length === 1) return [`all in ${name} ${distinct[0]}${distinct[0] === extent - 1 ? ', the last' : ''}`];
  const first = distinct[0]!;
  const last = distinct.at(-1)!;
  const words: string[] = [];
  if (last - first + 1 < extent && distinct.length === last - first + 1) {
    const where = last === extent - 1 ? `, up to the last` : '';
    words.push(`all in ${name}s ${first} to ${last}${where}`);
  } else if (distinct.length <= 6 && distinct.length < extent / 4) words.push(`all in ${name}s ${distinct.join(', ')}`);
  const rhythm = rhythmOf(distinct, extent);
  if (rhythm !== undefined) words.push(`only in ${name}s with ${name} mod ${rhythm.period} = ${rhythm.rest}`);
  return words;
}

function rhythmOf(distinct: readonly number[], extent: number): { period: number; rest: number } | undefined {
  if (distinct.length < 3) return undefined;
  for (const period of [128, 64, 32, 16, 8, 4, 2]) {
    if (period * 2 > extent) continue;
    const rest = distinct[0]! % period;
    if (distinct.every((at) => at % period === rest)) return { period, rest };
  }
  return undefined;
}

/** How they differ: by one ULP, in one direction, in sign alone. */
function howWords(
  dtype: DType,
  places: readonly number[],
  expected: ArrayLike<number>,
  actual: ArrayLike<number>,
): string[] {
  const reader = laneReader(dtype);
  if (reader.format === undefined) return [];
  const words: string[] = [];
  let [largest, away, toward, nan, zero, flipped] = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < places.length; i++) {
    const [e, a] = [expected[i]!, actual[i]!];
    const [x, y] = [reader.value(e), reader.value(a)];
    const ulps = ulpDistance(reader, e, a);
    if (ulps === undefined) nan++;
    else largest = Math.max(largest, Math.abs(ulps));
    if (Math.abs(y) > Math.abs(x)) away++;
    if (Math.abs(y) < Math.abs(x)) toward++;
    if (y === 0 && x !== 0) zero++;
    if (x !== 0 && y === -x) flipped++;
  }
  const all = places.length;
  if (nan > 0) words.push(`${share(nan, all)} have a NaN on one side`);
  if (zero === all) words.push('the kernel wrote zero at each');
  else if (flipped === all) words.push('each has the sign turned');
  else if (largest === 1) words.push('each by one unit in the last place');
  else if (largest > 1) words.push(`by up to ${largest} units in the last place`);
  if (zero < all && all >= 8 && away === all)
    words.push("the kernel's are all larger in magnitude: a rounding away from zero, or a term too many");
  if (zero < all && all >= 8 && toward === all)
    words.push("the kernel's are all smaller in magnitude: a truncation, or a term left out");
  return words;
}

const share = (count: number, all: number): string => (count === all ? 'all' : `${count} of ${all}`);
