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
  const one = oneNumber(dtype, shape, places, expected, actual);
  const found = [
    ...whereWords(shape, places),
    ...(one === undefined ? howWords(dtype, places, expected, actual) : [one]),
  ];
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

/** Roundings of a format this coarse would hide what one number does. */
const leastMantissa = 7;
/** A number that is one for a whole line stands on so many elements of a line at least. */
const leastElements = 4;

/**
 * Whether one number, of the matrix or of each column or row, makes the kernel's out of the rule's: a factor, or something added. Each element bounds the
 * number to what both roundings allow; it is one where all bounds of a line meet, and most leave out the number that changes nothing.
 */
function oneNumber(
  dtype: DType,
  shape: readonly number[],
  places: readonly number[],
  expected: ArrayLike<number>,
  actual: ArrayLike<number>,
): string | undefined {
  const { format, value } = laneReader(dtype);
  if (format === undefined || format.mantissaBits < leastMantissa) return undefined;
  const columns = shape.at(-1) ?? 1;
  const x = places.map((_, i) => value(expected[i]!));
  const y = places.map((_, i) => value(actual[i]!));
  const slack = 2 ** -format.mantissaBits;
  const plus = (i: number): Bounds => around(y[i]! - x[i]!, (slack / 2) * (Math.abs(x[i]!) + Math.abs(y[i]!)));
  // Zeros are words of their own, and no factor: NaN bounds nothing.
  const times = (i: number): Bounds => around(y[i]! / x[i]!, y[i] === 0 ? Number.NaN : slack * Math.abs(y[i]! / x[i]!));
  const rows = shape.reduce((a, b) => a * b, 1) / columns;
  for (const [name, lines, of] of [
    ['', 2, (): number => 0],
    ['column', columns, (place: number): number => place % columns],
    ['row', rows, (place: number): number => Math.floor(place / columns)],
  ] as const) {
    if (places.length < leastElements * lines) continue;
    const line = places.map(of);
    const factor = commonOf(line, times, 1);
    if (factor !== undefined)
      return name === ''
        ? `the kernel's are ${middle(factor)} times the rule's: a scale or alpha, or sums on top of sums`
        : `each ${name} is the rule's times a number of its own: a scale`;
    const added = commonOf(line, plus, 0);
    if (added !== undefined)
      return name === ''
        ? `the kernel's are the rule's plus ${middle(added)}`
        : `each ${name} is the rule's plus a number of its own: a bias`;
  }
  return undefined;
}

type Bounds = readonly [low: number, high: number];

const around = (middle: number, radius: number): Bounds => [middle - radius, middle + radius];

const middle = ([low, high]: Bounds): string => String(Number(((low + high) / 2).toPrecision(3)));

/** Bounds of the first line's number, where each line has one and most of them are not the neutral one. */
function commonOf(line: readonly number[], boundsOf: (i: number) => Bounds, neutral: number): Bounds | undefined {
  const met = new Map<number, Bounds>();
  for (let i = 0; i < line.length; i++) {
    const [low, high] = boundsOf(i);
    const [lowest, highest] = met.get(line[i]!) ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
    const both: Bounds = [Math.max(low, lowest), Math.min(high, highest)];
    // Not "greater": a NaN is no bound.
    if (!(both[0] <= both[1]) || !Number.isFinite(low + high)) return undefined;
    met.set(line[i]!, both);
  }
  const telling = [...met.values()].filter(([low, high]) => neutral < low || neutral > high).length;
  return telling > 0.75 * met.size ? met.values().next().value : undefined;
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
  let [largest, away, toward, nan, zero, below, flipped, bit] = [0, 0, 0, 0, 0, 0, 0, 0];
  for (let i = 0; i < places.length; i++) {
    const [e, a] = [expected[i]!, actual[i]!];
    const [x, y] = [reader.value(e), reader.value(a)];
    const ulps = ulpDistance(reader, e, a);
    if (ulps === undefined) nan++;
    else largest = Math.max(largest, Math.abs(ulps));
    if (Math.abs(y) > Math.abs(x)) away++;
    if (Math.abs(y) < Math.abs(x)) toward++;
    if (y === 0 && x !== 0) zero++;
    if (x < 0) below++;
    if (((e ^ a) & ((e ^ a) - 1)) === 0) bit++;
    if (x !== 0 && y === -x) flipped++;
  }
  const all = places.length;
  if (nan > 0) words.push(`${share(nan, all)} have a NaN on one side`);
  if (zero === all)
    words.push(
      `the kernel wrote zero at each${all >= 8 && below === all ? ', where the rule is negative: a ReLU' : ''}`,
    );
  else if (flipped === all) words.push('each has the sign turned');
  else if (largest === 1) words.push('each by one unit in the last place');
  else if (largest > 1) words.push(`by up to ${largest} units in the last place`);
  if (bit === all && largest > 1 && flipped < all) words.push('each has one bit turned');
  if (zero < all && all >= 8 && away === all)
    words.push("the kernel's are all larger in magnitude: a rounding away from zero, or a term too many");
  if (zero < all && all >= 8 && toward === all)
    words.push("the kernel's are all smaller in magnitude: a truncation, or a term left out");
  return words;
}

const share = (count: number, all: number): string => (count === all ? 'all' : `${count} of ${all}`);
