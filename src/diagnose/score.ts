import { formats } from '../numerics/formats.ts';
import { formatOfDType, laneReader } from '../parity/lanes.ts';
import { type DType, dtypeBits } from '../tensors/tensor.ts';
import type { Problem, ResultPart } from './convention.ts';

/**
 * Bits of the difference of two codes: 0 where equal, else as many as their distance in units in the last place takes, so that a wrong
 * rounding costs one bit and a wrong operand nearly all. Integer words (packed exponents) cost the bits of each byte that differs.
 */
export function distanceOf(dtype: DType): (expected: number, actual: number) => number {
  const bits = Math.min(dtypeBits[dtype], 32);
  const format = formatOfDType(dtype);
  if (format === undefined) return packedDistance;
  const reader = laneReader(dtype);
  const isNan = (code: number): boolean =>
    format.name === 'f32' ? (code & 0x7fffffff) > 0x7f800000 : Number.isNaN(reader.value(code));
  return (expected, actual) => {
    if (expected === actual) return 0;
    if (isNan(expected) || isNan(actual)) return isNan(expected) && isNan(actual) ? 1 : bits;
    const ulps = Math.abs(reader.ordered(expected) - reader.ordered(actual));
    return Math.min(bits, 1 + Math.floor(Math.log2(Math.max(ulps, 1))));
  };
}

function packedDistance(expected: number, actual: number): number {
  const apart = (expected ^ actual) >>> 0;
  let bits = 0;
  for (let shift = 0; shift < 32; shift += 8) if (((apart >>> shift) & 0xff) !== 0) bits += 8;
  return bits;
}

/** Width of a code of a dtype, as the share of explained bits counts it. */
export function widthOf(dtype: DType): number {
  return formatOfDType(dtype) === formats.f32 ? 32 : Math.min(dtypeBits[dtype], 32);
}

/** How much of a result a prediction explains. */
export interface Score {
  readonly elements: number;
  /** Elements whose bits differ. */
  readonly differing: number;
  /** Bits left unexplained; see {@link distanceOf}. */
  readonly unexplained: number;
  /** Bits of all the elements. */
  readonly bits: number;
}

/** The part that an element belongs to. */
export function partOf(problem: Problem, element: number): ResultPart {
  return problem.parts.find(({ start, actual }) => element < start + actual.length) as ResultPart;
}

/** Holds predicted codes against the actual ones. `elements` ascend. */
export function scoreOf(problem: Problem, elements: Int32Array, predicted: Uint32Array): Score {
  let [differing, unexplained, bits] = [0, 0, 0];
  let at = 0;
  for (const part of problem.parts) {
    const end = part.start + part.actual.length;
    for (; at < elements.length && elements[at]! < end; at++) {
      bits += part.bits;
      const actual = part.actual[elements[at]! - part.start]!;
      if (predicted[at] === actual) continue;
      differing++;
      unexplained += part.distance(predicted[at]!, actual);
    }
  }
  return { elements: elements.length, differing, unexplained, bits };
}

/** Elements at which predicted codes differ from the actual ones. */
export function missedElements(problem: Problem, elements: Int32Array, predicted: Uint32Array): number[] {
  const missed: number[] = [];
  let at = 0;
  for (const part of problem.parts) {
    const end = part.start + part.actual.length;
    for (; at < elements.length && elements[at]! < end; at++) {
      if (predicted[at] !== part.actual[elements[at]! - part.start]) missed.push(elements[at]!);
    }
  }
  return missed;
}
