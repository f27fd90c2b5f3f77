import { type Convention, costOf, keyOf, type Problem } from './convention.ts';
import { type Score, scoreOf } from './score.ts';

/** A convention with what it explains. */
export interface Candidate {
  readonly convention: Convention;
  readonly key: string;
  readonly cost: number;
  readonly score: Score;
}

/** A candidate that was held against the elements looked at. */
export interface Trial extends Candidate {
  /** Of the predicted codes: conventions with equal prints cannot be told apart on the elements looked at. */
  readonly print: string;
  /** Bits left unexplained on each set of elements, the last all that are looked at. */
  readonly levels: readonly number[];
}

/** Bits that a trial may leave unexplained on each set of elements. */
export type Bar = readonly number[];

/** No bit may be left over. */
export const exactly: Bar = [0, 0, 0, 0];

/** The better first: what explains more, then what leaves the spec on fewer and more usual axes. */
export const better = (a: Candidate, b: Candidate): number =>
  a.score.unexplained - b.score.unexplained || a.cost - b.cost || (a.key < b.key ? -1 : 1);

type Slack = readonly (readonly [factor: number, bits: number])[];

/** A trial may leave so much of what its base, or the beam's last, leaves on each set of elements, and so many bits more. */
const slack: Slack = [
  [1.3, 5],
  [1.12, 2],
  [1.03, 1],
  [1, 0],
];
/** The same where every change moves every element a little: on a handful nearly all go on, on more only what explains something. */
const strictSlack: Slack = [
  [1.2, 5],
  [1.01, 2],
  [0.99, 2],
  [1, 0],
];

/** What a trial may leave over to join a beam: little more than the last of it, and than what it was made from. */
export function barOf({ noisy }: Problem, beam: readonly Trial[], base?: Trial): Bar {
  return (noisy === true ? strictSlack : slack).map(([factor, bits], level) => {
    const last = Math.max(...beam.map(({ levels }) => levels[level]!));
    return factor * Math.min(last, base?.levels[level] ?? last) + bits;
  });
}

interface Seen {
  readonly levels: number[];
  trial?: Trial;
}

/** New elements that join each of the sets when something is learned. */
const joining = [2, 6, 12, 32];
/** Elements that stay in the smaller sets from what was learned before. */
const staying = [6, 16, 32];

/**
 * Holds conventions against growing sets of elements: a handful, which most do not get past, a few more, and all that are looked at. Elements
 * that a good convention misses join them.
 */
export class Trials {
  /** Conventions looked at. */
  count = 0;
  private readonly problem: Problem;
  private sets: Int32Array[];
  /** One element, on which nearly all fail that must be exact. */
  private probe: Int32Array;
  private learned: number[] = [];
  private seen = new Map<string, Seen>();
  private readonly costs = new Map<string, number>();

  constructor(problem: Problem) {
    this.problem = problem;
    this.sets = [...problem.sets];
    this.probe = this.sets[0]!.slice(0, 1);
  }

  /** The trial of a convention. */
  of(convention: Convention): Trial {
    return this.under(convention) as Trial;
  }

  /**
   * The trial of a convention, unless it leaves more over than the bar on one of the sets, or just as much as `base`, what it was made from, on
   * all the smaller ones: then it changes nothing that matters.
   */
  under(convention: Convention, bar?: Bar, base?: readonly number[]): Trial | undefined {
    const canonical = this.problem.canonical(convention);
    const key = keyOf(canonical);
    let seen = this.seen.get(key);
    if (seen === undefined) {
      seen = { levels: [] };
      this.seen.set(key, seen);
      this.count++;
    }
    const last = this.sets.length - 1;
    if (bar === exactly && seen.levels.length === 0 && !this.isRight(canonical)) return undefined;
    for (let level = 0; level <= last; level++) {
      if (level === last && base !== undefined && base[level - 1]! > 0 && isSame(seen.levels, base)) return undefined;
      if (seen.levels[level] === undefined) this.look(canonical, key, seen, level);
      if (bar !== undefined && seen.levels[level]! > bar[level]!) return undefined;
    }
    return seen.trial;
  }

  private isRight(convention: Convention): boolean {
    return scoreOf(this.problem, this.probe, this.problem.predict(convention, this.probe)).differing === 0;
  }

  private look(convention: Convention, key: string, seen: Seen, level: number): void {
    const elements = this.sets[level]!;
    const predicted = this.problem.predict(convention, elements);
    const score = scoreOf(this.problem, elements, predicted);
    seen.levels.push(score.unexplained);
    if (level < this.sets.length - 1) return;
    seen.trial = {
      convention,
      key,
      cost: this.cost(key, convention),
      score,
      print: printOf(predicted),
      levels: seen.levels,
    };
  }

  /** How far-fetched a canonical convention is. */
  cost(key: string, convention: Convention): number {
    let cost = this.costs.get(key);
    if (cost === undefined) {
      cost = costOf(this.problem, convention);
      this.costs.set(key, cost);
    }
    return cost;
  }

  /** Takes some of the elements that a candidate misses into those looked at; false where they are all there. */
  learn(missed: readonly number[]): boolean {
    const all = this.sets.at(-1)!;
    const known = new Set(all);
    const fresh = missed.filter((element) => !known.has(element));
    if (fresh.length === 0) return false;
    const spread = (count: number): number[] =>
      fresh.length <= count
        ? fresh
        : Array.from({ length: count }, (_, i) => fresh[Math.floor((i * fresh.length) / count)]!);
    const news = joining.map(spread);
    this.learned = [...news[2]!, ...this.learned];
    const last = this.sets.length - 1;
    this.sets = this.sets.map((_, level) =>
      level === last
        ? union(all, news[last]!)
        : union(this.problem.sets[level]!, [...news[level]!, ...this.learned].slice(0, staying[level])),
    );
    this.probe = Int32Array.of(fresh[0]!);
    this.seen = new Map();
    return true;
  }
}

const isSame = (levels: readonly number[], base: readonly number[]): boolean =>
  base.slice(0, -1).every((bits, level) => levels[level] === bits);

const union = (elements: Int32Array, more: readonly number[]): Int32Array =>
  Int32Array.from(new Set([...elements, ...more])).sort();

/** FNV-1a over the words, twice with other offsets. */
function printOf(codes: Uint32Array): string {
  let low = 0x811c9dc5;
  let high = 0x01000193;
  for (const code of codes) {
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ code ^ (code >>> 16), 0x85ebca6b);
  }
  return `${low >>> 0} ${high >>> 0}`;
}
