import { kernelOf } from '../kernels/index.ts';
import { type CodeValue, coordinatesOf, type ElementDifference, indexOf } from '../parity/compare.ts';
import { createTracer, type Trace } from '../parity/explain.ts';
import { formatCode, formatValue, laneReader, ulpDistance } from '../parity/lanes.ts';
import type { ResolvedSpec } from '../specs/types.ts';
import type { DType, Tensors } from '../tensors/tensor.ts';
import type { Convention, Deviation, Problem, Workings } from './convention.ts';
import { specOf } from './express.ts';
import { patternOf } from './remainder.ts';
import { missedElements, partOf, type Score } from './score.ts';
import type { Found } from './search.ts';
import type { Candidate } from './trials.ts';

/** A convention that was held against the result, and how it did. */
export interface RankedCandidate {
  /** Where it leaves the spec; empty for the spec's own convention. */
  readonly deviations: readonly Deviation[];
  /** Every axis. */
  readonly convention: Convention;
  readonly differing: number;
  /** Shares from 0 to 1. */
  readonly elementsExplained: number;
  readonly bitsExplained: number;
}

/** An axis whose values the inputs cannot tell apart. */
export interface Untold {
  readonly title: string;
  /** The value of the best candidate first. */
  readonly words: readonly string[];
}

/** Differing elements that a candidate leaves over. */
export interface Leftover {
  readonly tensor: string;
  readonly count: number;
  /** What they have in common, in words. */
  readonly pattern: readonly string[];
  /** The first of them; `expected` is the candidate's value. */
  readonly first: readonly ElementDifference[];
}

/**
 * `as-specified`: the kernel did what the spec says. `explained`: a convention reproduces every bit. `partly`: the best one leaves something over.
 * `unexplained`: nothing known comes near.
 */
export type Verdict = 'as-specified' | 'explained' | 'partly' | 'unexplained';

/** What a kernel computed. Plain data, fit for JSON. */
export interface Answer {
  readonly spec: string;
  readonly kernel: string;
  readonly verdict: Verdict;
  readonly elements: number;
  /** Elements that candidates were held against: all, or a sample of a large result. */
  readonly compared: number;
  /** Conventions looked at. */
  readonly tried: number;
  /** The search was ended by its budget: a longer one may find more. */
  readonly cut: boolean;
  /** Ranked, the best first. */
  readonly candidates: readonly RankedCandidate[];
  /** The spec's own convention. */
  readonly specified: RankedCandidate;
  /** Conventions that reproduce everything as the first candidate does. */
  readonly equals: readonly RankedCandidate[];
  readonly untold: readonly Untold[];
  /** What the best candidate leaves over, tensor by tensor. */
  readonly leftover: readonly Leftover[];
  /** What the spec's own convention leaves over. */
  readonly parts: readonly Leftover[];
  /** Elements worked out: those that the best candidate leaves over, or the first at which spec and kernel part. */
  readonly derivations: readonly DerivedElement[];
}

/** One element worked out under the best candidate, and under the spec where that differs. */
export interface DerivedElement {
  readonly tensor: string;
  readonly coordinates: readonly number[];
  readonly actual: CodeValue;
  readonly specified: CodeValue;
  readonly found: CodeValue;
  /** gemm: block by block, by the spec and by the best candidate. */
  readonly blocks?: { readonly specified: Workings['blocks']; readonly found: Workings['blocks'] };
  /** Every operation of the best candidate, where a spec can say it; of the spec's own rule where not. */
  readonly trace: Trace;
  readonly traced: 'found' | 'specified';
}

const mostCandidates = 8;
const mostElements = 6;
const mostDerived = 3;

/** Puts what a search found into an answer. */
export function answerOf(spec: ResolvedSpec, inputs: Tensors, problem: Problem, found: Found): Answer {
  const ranked = found.ranked.map((candidate) => rankedOf(problem, candidate));
  const best = ranked[0]!;
  const specified = ranked.find(({ deviations }) => deviations.length === 0) ?? best;
  const leftover = leftoverOf(spec, problem, best.convention);
  const parts = leftoverOf(spec, problem, specified.convention);
  return {
    spec: spec.name,
    kernel: spec.kernel,
    verdict: verdictOf(best, specified),
    elements: problem.count,
    compared: problem.confirmed.length,
    tried: found.tried,
    cut: found.cut,
    candidates: distinct(ranked).slice(0, mostCandidates),
    specified,
    equals: found.equals.map((candidate) => rankedOf(problem, candidate)),
    untold: untoldOf(problem, found),
    leftover,
    parts,
    derivations: derivationsOf(spec, inputs, problem, best, leftover.length > 0 ? leftover : parts),
  };
}

/** Works the first differing elements out. */
function derivationsOf(
  spec: ResolvedSpec,
  inputs: Tensors,
  problem: Problem,
  best: RankedCandidate,
  over: readonly Leftover[],
): DerivedElement[] {
  const first = over[0];
  if (first === undefined) return [];
  const part = problem.parts.find(({ name }) => name === first.tensor)!;
  const dtype = dtypeOfPart(spec, part.name, part.bits);
  const reader = laneReader(dtype);
  const side = (code: number): CodeValue => ({ code: formatCode(code, dtype), value: formatValue(reader.value(code)) });
  const told = specOf(spec, best.convention);
  const traced = told ?? spec;
  const declared = kernelOf(traced)
    .results(traced as never)
    .find(({ name }) => name === part.name);
  if (declared?.shape.join() !== part.shape.join()) return [];
  const trace = createTracer(traced, inputs);
  return first.first.slice(0, mostDerived).map(({ coordinates }) => {
    const place = indexOf(coordinates, part.shape);
    const element = part.start + place;
    const code = (convention: Convention): CodeValue => side(problem.predict(convention, Int32Array.of(element))[0]!);
    const blocks = problem.workings && {
      specified: problem.workings(problem.spec, element).blocks,
      found: problem.workings(best.convention, element).blocks,
    };
    return {
      tensor: part.name,
      coordinates,
      actual: side(part.actual[place]!),
      specified: code(problem.spec),
      found: code(best.convention),
      ...(blocks && { blocks }),
      trace: trace(part.name, coordinates),
      traced: told === undefined ? 'specified' : 'found',
    };
  });
}

function rankedOf(problem: Problem, { convention, score }: Candidate): RankedCandidate {
  return { deviations: problem.describe(convention), convention, differing: score.differing, ...sharesOf(score) };
}

function sharesOf({
  elements,
  differing,
  unexplained,
  bits,
}: Score): Pick<RankedCandidate, 'elementsExplained' | 'bitsExplained'> {
  return { elementsExplained: 1 - differing / elements, bitsExplained: 1 - unexplained / bits };
}

/** The first, and those that explain less: without equals of the first, and without a better one's deviations plus another. */
function distinct(ranked: readonly RankedCandidate[]): RankedCandidate[] {
  const includes = (candidate: RankedCandidate, other: RankedCandidate): boolean =>
    other.deviations.every(({ axis, value }) =>
      candidate.deviations.some((it) => it.axis === axis && it.value === value),
    );
  return ranked.filter((candidate, i) => {
    if (i === 0) return true;
    return (
      candidate.differing > 0 &&
      (candidate.deviations.length === 0 ||
        !ranked.slice(0, i).some((other) => other.deviations.length > 0 && includes(candidate, other)))
    );
  });
}

function verdictOf(best: RankedCandidate, specified: RankedCandidate): Verdict {
  if (best.differing === 0) return best.deviations.length === 0 ? 'as-specified' : 'explained';
  return best.elementsExplained >= 0.5 || specified.elementsExplained >= 0.5 ? 'partly' : 'unexplained';
}

/** Axes on which the best candidate's equals leave it, with the values that do as well. */
function untoldOf(problem: Problem, { ranked, equals }: Found): Untold[] {
  const best = ranked[0]!.convention;
  const told = new Map<string, Set<string>>();
  const own = problem.describe(best);
  for (const { convention } of equals) {
    const changed = problem
      .describe(convention)
      .filter(({ axis, value }) => !own.some((it) => it.axis === axis && it.value === value));
    const gone = own.filter(({ axis }) => !problem.describe(convention).some((it) => it.axis === axis));
    for (const { title, words, spec } of changed) {
      const mine = own.find((it) => it.title === title)?.words ?? spec;
      told.set(title, (told.get(title) ?? new Set([mine])).add(words));
    }
    for (const { title, words, spec } of gone) told.set(title, (told.get(title) ?? new Set([words])).add(spec));
  }
  return [...told].map(([title, words]) => ({ title, words: [...words] }));
}

/** What a convention leaves over of each tensor. */
export function leftoverOf(spec: ResolvedSpec, problem: Problem, convention: Convention): Leftover[] {
  const predicted = problem.predict(convention, problem.confirmed);
  const value = new Map<number, number>();
  for (let i = 0; i < predicted.length; i++) value.set(problem.confirmed[i]!, predicted[i]!);
  const missed = missedElements(problem, problem.confirmed, predicted);
  return problem.parts.flatMap((part) => {
    const places = missed.filter((element) => partOf(problem, element) === part).map((element) => element - part.start);
    if (places.length === 0) return [];
    const dtype = dtypeOfPart(spec, part.name, part.bits);
    const expected = places.map((place) => value.get(part.start + place)!);
    const actual = places.map((place) => part.actual[place]!);
    return [
      {
        tensor: part.name,
        count: places.length,
        pattern: patternOf(dtype, part.shape, places, expected, actual),
        first: places
          .slice(0, mostElements)
          .map((place, i) => differenceOf(dtype, part.shape, place, expected[i]!, actual[i]!)),
      },
    ];
  });
}

function dtypeOfPart(spec: ResolvedSpec, name: string, bits: number): DType {
  const declared = kernelOf(spec)
    .results(spec as never)
    .find((result) => result.name === name)?.dtype;
  if (declared !== undefined && (bits === 32) === ['F32', 'I32'].includes(declared)) return declared;
  return bits === 32 ? 'F32' : 'U8';
}

function differenceOf(
  dtype: DType,
  shape: readonly number[],
  place: number,
  expected: number,
  actual: number,
): ElementDifference {
  const reader = laneReader(dtype);
  const side = (code: number) => ({ code: formatCode(code, dtype), value: formatValue(reader.value(code)) });
  return {
    coordinates: coordinatesOf(place, shape),
    expected: side(expected),
    actual: side(actual),
    ulps: ulpDistance(reader, expected, actual) ?? null,
  };
}
