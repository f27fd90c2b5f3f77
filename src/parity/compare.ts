import { inputError } from '../errors.ts';
import { type Codes, type DType, elementCount, type Tensor, type Tensors } from '../tensors/tensor.ts';
import { formatCode, formatValue, laneReader, ulpDistance } from './lanes.ts';
import { type Metrics, measure } from './metrics.ts';

/** How a pair of tensors relates. All but the first two are differences of structure: nothing was compared element by element. */
export type ComparisonStatus = 'equal' | 'differs' | 'missing' | 'unexpected' | 'wrong-dtype' | 'wrong-shape';

/** One side of a differing element. */
export interface CodeValue {
  /** The bits: `0x7E`. */
  readonly code: string;
  /** Shortest decimal that names the value; `NaN`, `Infinity`, `-0` included. */
  readonly value: string;
}

/** An element whose bits differ. */
export interface ElementDifference {
  readonly coordinates: readonly number[];
  readonly expected: CodeValue;
  readonly actual: CodeValue;
  /** Signed distance in units in the last place; null where a NaN takes part. */
  readonly ulps: number | null;
}

/** Two tensors of one name held against each other, bit for bit. Plain data, fit for JSON. */
export interface TensorComparison {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly status: ComparisonStatus;
  /** What is wrong, in words, where the status is not `equal`. */
  readonly problem?: string;
  readonly elements: number;
  /** Elements whose bits differ; all of them where the structure differs. */
  readonly mismatches: number;
  /** First differing element in row-major order. */
  readonly first?: ElementDifference;
  /** Elements with the largest ULP distance, NaN pairs ahead of them, the lower index first. */
  readonly worst?: readonly ElementDifference[];
  readonly metrics?: Metrics;
}

/** All results of one spec held against those of another run. Plain data, fit for JSON. */
export interface Comparison {
  readonly spec: string;
  readonly equal: boolean;
  readonly elements: number;
  readonly mismatches: number;
  readonly tensors: readonly TensorComparison[];
}

/** How much of a difference is told. */
export interface CompareOptions {
  /** Elements listed in `worst`. Default 10. */
  readonly worst?: number;
}

/** Index of the first lane that differs, or -1. */
export function firstDifference(expected: Codes, actual: Codes): number {
  for (let i = 0; i < expected.length; i++) {
    if (expected[i] !== actual[i]) return i;
  }
  return -1;
}

/** Row-major index to coordinates. */
export function coordinatesOf(index: number, shape: readonly number[]): number[] {
  const coordinates: number[] = [];
  let rest = index;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    coordinates.unshift(rest % shape[axis]!);
    rest = Math.floor(rest / shape[axis]!);
  }
  return coordinates;
}

/** Coordinates to row-major index. */
export function indexOf(coordinates: readonly number[], shape: readonly number[]): number {
  return shape.reduce((index, extent, axis) => index * extent + coordinates[axis]!, 0);
}

/** Holds `actual` against `expected`, bit for bit. Differences of dtype or shape are reported, not thrown. */
export function compareTensors(
  name: string,
  expected: Tensor,
  actual: Tensor,
  options: CompareOptions = {},
): TensorComparison {
  const problem = structureProblem(expected, actual);
  if (problem !== undefined) return structural(name, expected, ...problem);
  const { dtype, shape } = expected;
  const elements = expected.codes.length;
  const first = firstDifference(expected.codes, actual.codes);
  if (first < 0) return { name, dtype, shape, status: 'equal', elements, mismatches: 0 };
  const mismatches = countDifferences(expected.codes, actual.codes, first);
  const difference = (index: number): ElementDifference => differenceAt(index, expected, actual);
  return {
    name,
    dtype,
    shape,
    status: 'differs',
    problem: `${mismatches} of ${elements} elements differ`,
    elements,
    mismatches,
    first: difference(first),
    worst: worstIndices(expected, actual, first, options.worst ?? 10).map(difference),
    metrics: measure(expected, actual),
  };
}

/**
 * Holds the results of a run against those expected, tensor by tensor in the expected order. A tensor that is missing, that nobody expects, or
 * that has another dtype or shape is reported with all its elements as mismatches; see {@link requireComparable} to refuse it instead.
 */
export function compareResults(
  spec: { readonly name: string },
  expected: Tensors,
  actual: Tensors,
  options: CompareOptions = {},
): Comparison {
  const wanted = Object.entries(expected).map(([name, tensor]) => {
    const other = actual[name];
    return other === undefined
      ? structural(name, tensor, 'missing', `there is no tensor named ${name}; there are ${namesOf(actual)}`)
      : compareTensors(name, tensor, other, options);
  });
  const unexpected = Object.entries(actual)
    .filter(([name]) => expected[name] === undefined)
    .map(([name, tensor]) =>
      structural(
        name,
        tensor,
        'unexpected',
        `nothing expects a tensor named ${name}; expected are ${namesOf(expected)}`,
      ),
    );
  const tensors = [...wanted, ...unexpected];
  const total = (count: (tensor: TensorComparison) => number): number =>
    tensors.reduce((sum, tensor) => sum + count(tensor), 0);
  return {
    spec: spec.name,
    equal: tensors.every((tensor) => tensor.status === 'equal'),
    elements: total((tensor) => tensor.elements),
    mismatches: total((tensor) => tensor.mismatches),
    tensors,
  };
}

/** Throws where a comparison found tensors that cannot be held against each other: missing, unexpected, another dtype or shape. */
export function requireComparable(comparison: Comparison): void {
  if (comparison.tensors.length === 0)
    throw inputError(
      'there is no tensor in either',
      'missing-tensor',
      comparison.spec,
      'compare files that hold results',
    );
  const found = comparison.tensors.find(({ status }) => status !== 'equal' && status !== 'differs');
  if (found === undefined) return;
  throw inputError(
    `tensor ${found.name}: ${found.problem}`,
    found.status.startsWith('wrong') ? found.status : `${found.status}-tensor`,
    found.name,
    'compare files that hold the same tensors, of one dtype and shape',
  );
}

/** One line that says how a tensor differs: where first, both values, how far. Empty for equal ones. */
export function describeTensor(comparison: TensorComparison): string {
  const { name, status, problem, first } = comparison;
  if (status === 'equal') return '';
  if (first === undefined) return `${name}: ${problem}`;
  const { coordinates, expected, actual } = first;
  return `${name}: ${problem}, first at [${coordinates.join(', ')}]: expected ${expected.code} (${expected.value}), got ${actual.code} (${actual.value})${ulpText(first.ulps)}`;
}

function ulpText(ulps: number | null): string {
  return ulps === null ? '' : `, ${ulps > 0 ? '+' : ''}${ulps} ULP`;
}

function namesOf(tensors: Tensors): string {
  return Object.keys(tensors).join(', ') || 'none';
}

const shapeText = (shape: readonly number[]): string => `[${shape.join(', ')}]`;

function structureProblem(expected: Tensor, actual: Tensor): readonly [ComparisonStatus, string] | undefined {
  if (expected.dtype !== actual.dtype) return ['wrong-dtype', `dtype is ${actual.dtype}, expected ${expected.dtype}`];
  const same =
    expected.shape.length === actual.shape.length && expected.shape.every((extent, i) => extent === actual.shape[i]);
  if (!same) return ['wrong-shape', `shape is ${shapeText(actual.shape)}, expected ${shapeText(expected.shape)}`];
  for (const { codes, shape } of [expected, actual]) {
    if (codes.length !== elementCount(shape)) {
      return ['wrong-shape', `${codes.length} lanes do not fill the shape ${shapeText(shape)}`];
    }
  }
  return undefined;
}

function structural(name: string, tensor: Tensor, status: ComparisonStatus, problem: string): TensorComparison {
  const elements = elementCount(tensor.shape);
  return { name, dtype: tensor.dtype, shape: tensor.shape, status, problem, elements, mismatches: elements };
}

function countDifferences(expected: Codes, actual: Codes, first: number): number {
  let count = 0;
  for (let i = first; i < expected.length; i++) if (expected[i] !== actual[i]) count++;
  return count;
}

function differenceAt(index: number, expected: Tensor, actual: Tensor): ElementDifference {
  const { dtype, shape } = expected;
  const reader = laneReader(dtype);
  const side = (code: number): CodeValue => ({
    code: formatCode(code, dtype),
    value: formatValue(reader.value(code)),
  });
  const x = expected.codes[index]!;
  const y = actual.codes[index]!;
  return {
    coordinates: coordinatesOf(index, shape),
    expected: side(x),
    actual: side(y),
    ulps: ulpDistance(reader, x, y) ?? null,
  };
}

/** Indices of the elements furthest apart, the furthest first. A pair with one NaN counts as infinitely far, one with two as next to nothing. */
function worstIndices(expected: Tensor, actual: Tensor, first: number, limit: number): number[] {
  const reader = laneReader(expected.dtype);
  const kept: { index: number; rank: number }[] = [];
  for (let i = first; i < expected.codes.length; i++) {
    const x = expected.codes[i]!;
    const y = actual.codes[i]!;
    if (x === y) continue;
    const rank = distanceRank(ulpDistance(reader, x, y), reader.value(x), reader.value(y));
    if (kept.length >= limit && rank <= (kept.at(-1)?.rank ?? rank)) continue;
    const place = kept.findIndex((other) => other.rank < rank);
    kept.splice(place < 0 ? kept.length : place, 0, { index: i, rank });
    if (kept.length > limit) kept.pop();
  }
  return kept.map(({ index }) => index);
}

function distanceRank(ulps: number | undefined, e: number, a: number): number {
  if (ulps !== undefined) return Math.abs(ulps);
  return Number.isNaN(e) && Number.isNaN(a) ? 0 : Number.POSITIVE_INFINITY;
}
