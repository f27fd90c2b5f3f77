import { type Convention, costOf, keyOf, type Move, type Problem } from './convention.ts';
import { type Score, scoreOf } from './score.ts';

/** A convention with what it explains. */
export interface Candidate {
  readonly convention: Convention;
  readonly key: string;
  readonly cost: number;
  readonly score: Score;
}

/** What a search found. */
export interface Found {
  /** Confirmed candidates, the best first; the spec's own convention is always among them. */
  readonly ranked: readonly Candidate[];
  /** Conventions that the inputs cannot tell from the first of `ranked`. */
  readonly equals: readonly Candidate[];
  /** Conventions looked at. */
  readonly tried: number;
  /** The search was ended by its budget. */
  readonly cut: boolean;
}

/** Bounds of a search. */
export interface SearchOptions {
  /** Milliseconds after which the search settles for what it has. Default 15 s. */
  readonly budget?: number;
  readonly signal?: AbortSignal;
  /** Told now and then: conventions tried, and the least share of elements left over. */
  readonly progress?: (tried: number, leftover: number) => void;
}

interface Trial extends Candidate {
  /** Of the predicted codes: conventions with equal prints cannot be told apart on the elements looked at. */
  readonly print: string;
}

const beamWidth = 12;
/** Members of the beam that a group of moves starts from: few where the group is large. */
const moversOf = (group: readonly Move[]): number =>
  group.length > 1000 ? 1 : group.length > 200 ? 2 : group.length > 60 ? 4 : 6;
/** What a unit of far-fetchedness is worth to the beam, as a share of the bits left unexplained. */
const costShare = 0.04;
/** Climbs in a row that may bring nothing before a tier is given up. */
const patience = 2;
/** Every so many elements are looked at first; a trial that is far behind on them goes no further. */
const probeStep = 6;
const confirmedAtOnce = 6;
const newElements = 48;
const mostEquals = 16;
const maxRounds = 12;

const better = (a: Candidate, b: Candidate): number =>
  a.score.unexplained - b.score.unexplained || a.cost - b.cost || (a.key < b.key ? -1 : 1);

/**
 * Finds the convention that reproduces a result. A beam of conventions climbs, group of axes by group, on a few elements; the best are
 * held against all; elements that they miss join the few, and the climb goes on until all is explained or nothing helps.
 */
export class Search {
  private readonly problem: Problem;
  private readonly options: SearchOptions;
  private readonly deadline: number;
  private elements: Int32Array;
  private probe: Int32Array;
  private hopeless = new Set<string>();
  private trials = new Map<string, Trial>();
  private readonly confirmed = new Map<string, Candidate>();
  private readonly costs = new Map<string, number>();
  private tried = 0;

  constructor(problem: Problem, options: SearchOptions = {}) {
    this.problem = problem;
    this.options = options;
    this.deadline = Date.now() + (options.budget ?? 15_000);
    this.elements = problem.first;
    this.probe = probeOf(this.elements);
  }

  /** Runs the search to its end. */
  run(): Found {
    const { problem } = this;
    const spec = this.confirm(this.trial(problem.spec));
    if (spec.score.differing > 0) this.explain();
    if (this.ranked()[0]!.score.differing === 0) this.seekCheaper(this.ranked()[0]!);
    const winner = this.simplify(this.ranked()[0]!);
    const equals = winner.score.differing === 0 ? this.equals(winner) : [];
    return { ranked: this.ranked(), equals, tried: this.tried, cut: Date.now() > this.deadline };
  }

  private ranked(): Candidate[] {
    return [...this.confirmed.values()].sort(better);
  }

  /** Climbs tier by tier until a convention reproduces everything. */
  private explain(): void {
    const { starts, tiers, spec } = this.problem;
    let beam = [spec, ...starts.map((move) => ({ ...spec, ...move }))];
    for (let tier = 0; tier < tiers.length; tier++) {
      const groups = tiers.slice(0, tier + 1).flat();
      let idle = 0;
      for (let round = 0; round < maxRounds && idle < patience; round++) {
        const climbed = this.climb(beam, round === 0 ? (tiers[tier] ?? []) : groups);
        const before = this.ranked()[0]!.score.unexplained;
        this.confirmSome(climbed);
        const best = this.ranked()[0]!;
        this.options.progress?.(this.tried, best.score.differing / best.score.elements);
        if (best.score.differing === 0 || this.isOver()) return;
        beam = [best, ...climbed].map(({ convention }) => convention);
        const plausible = climbed[0]!.score.differing === 0;
        if (!this.learnFrom(plausible ? climbed[0]! : best)) break;
        idle = plausible || best.score.unexplained < before ? 0 : idle + 1;
      }
    }
  }

  /** Confirms the best trials until one of them explains everything. */
  private confirmSome(trials: readonly Trial[]): void {
    for (const trial of trials.slice(0, confirmedAtOnce)) if (this.confirm(trial).score.differing === 0) return;
  }

  /** A beam that goes through the groups of moves as long as that helps. */
  private climb(from: readonly Convention[], groups: readonly (readonly Move[])[]): Trial[] {
    let beam = this.keep(from.map((convention) => this.trial(convention)));
    for (;;) {
      const before = beam[0]!;
      for (const group of groups) {
        const movers = beam.slice(0, moversOf(group));
        const trials: Trial[] = [...beam];
        const bar = shareOf(beam.at(-1)!.score);
        for (const { convention } of movers) {
          for (const move of group) {
            if (this.isOver()) return this.keep(trials);
            const trial = this.trialUnder({ ...convention, ...move }, bar);
            if (trial !== undefined) trials.push(trial);
          }
        }
        beam = this.keep(trials);
        if (beam[0]!.score.differing === 0) return beam;
      }
      if (better(beam[0]!, before) >= 0) return beam;
    }
  }

  /** The best trials: one of each prediction, and one of each set of axes that leave the spec, so that no axis is lost to its rivals. */
  private keep(trials: readonly Trial[]): Trial[] {
    const kept: Trial[] = [];
    const seen = new Set<string>();
    const rank = ({ score, cost }: Trial): number => score.unexplained * (1 + costShare * cost);
    for (const trial of [...trials].sort((a, b) => rank(a) - rank(b) || better(a, b))) {
      const axes = `axes ${this.axes(trial.convention)}`;
      if (seen.has(trial.print) || (seen.has(axes) && trial.score.differing > 0)) continue;
      seen.add(trial.print).add(axes);
      kept.push(trial);
      if (kept.length === beamWidth) break;
    }
    return kept;
  }

  private axes(convention: Convention): string {
    const { spec } = this.problem;
    let axes = '';
    for (const axis in spec) if (convention[axis] !== spec[axis]) axes += `${axis} `;
    return axes;
  }

  /** The trial of a convention, unless a few elements show that it is far behind `bar`, a share of bits left unexplained. */
  private trialUnder(convention: Convention, bar: number): Trial | undefined {
    const canonical = this.problem.canonical(convention);
    const key = keyOf(canonical);
    const known = this.trials.get(key);
    if (known !== undefined) return known;
    if (this.hopeless.has(key)) return undefined;
    const predicted = this.problem.predict(canonical, this.probe);
    this.count();
    if (shareOf(scoreOf(this.problem, this.probe, predicted)) > 1.3 * bar + 0.01) {
      this.hopeless.add(key);
      return undefined;
    }
    return this.trial(canonical, key);
  }

  private trial(convention: Convention, known?: string): Trial {
    const canonical = known === undefined ? this.problem.canonical(convention) : convention;
    const key = known ?? keyOf(canonical);
    let trial = this.trials.get(key);
    if (trial === undefined) {
      const predicted = this.problem.predict(canonical, this.elements);
      const score = scoreOf(this.problem, this.elements, predicted);
      trial = { convention: canonical, key, cost: this.cost(key, canonical), score, print: printOf(predicted) };
      this.trials.set(key, trial);
      if (known === undefined) this.count();
    }
    return trial;
  }

  private count(): void {
    this.tried++;
    if (this.tried % 64 === 0) this.checkInterrupted();
  }

  private cost(key: string, convention: Convention): number {
    let cost = this.costs.get(key);
    if (cost === undefined) {
      cost = costOf(this.problem, convention);
      this.costs.set(key, cost);
    }
    return cost;
  }

  private confirm(trial: Candidate): Candidate {
    let candidate = this.confirmed.get(trial.key);
    if (candidate === undefined) {
      const { confirmed } = this.problem;
      const score = scoreOf(this.problem, confirmed, this.problem.predict(trial.convention, confirmed));
      candidate = { convention: trial.convention, key: trial.key, cost: trial.cost, score };
      this.confirmed.set(trial.key, candidate);
    }
    return candidate;
  }

  /** Takes elements that a candidate misses into those looked at; false where there are no new ones. */
  private learnFrom({ convention }: Candidate): boolean {
    const { confirmed } = this.problem;
    const known = new Set(this.elements);
    const missed = missedElements(this.problem, confirmed, this.problem.predict(convention, confirmed)).filter(
      (element) => !known.has(element),
    );
    if (missed.length === 0) return false;
    const step = Math.max(missed.length / newElements, 1);
    for (let at = 0; at < missed.length; at += step) known.add(missed[Math.floor(at)]!);
    this.elements = Int32Array.from(known).sort();
    this.probe = probeOf(this.elements);
    this.trials = new Map();
    this.hopeless = new Set();
    return true;
  }

  /** One deviation from the spec is a better answer than two: the climb may have come upon the two first. */
  private seekCheaper(winner: Candidate): void {
    const { spec, tiers } = this.problem;
    for (const move of tiers[0]!.flat()) {
      const convention = this.problem.canonical({ ...spec, ...move });
      if (this.cost(keyOf(convention), convention) >= winner.cost) continue;
      const trial = this.trialUnder(convention, 0);
      if (trial !== undefined && trial.score.differing === 0) this.confirm(trial);
    }
  }

  /** Puts axes back to the spec's as long as nothing is lost by it. */
  private simplify(candidate: Candidate): Candidate {
    const { spec } = this.problem;
    let best = candidate;
    for (let changed = true; changed; ) {
      changed = false;
      for (const axis of Object.keys(spec)) {
        if (best.convention[axis] === spec[axis]) continue;
        const simpler = this.trial({ ...best.convention, [axis]: spec[axis]! });
        if (simpler.cost >= best.cost || simpler.score.unexplained > this.trial(best.convention).score.unexplained)
          continue;
        const confirmed = this.confirm(simpler);
        if (confirmed.score.unexplained > best.score.unexplained) continue;
        best = confirmed;
        changed = true;
      }
    }
    return best;
  }

  /** Conventions one move away that reproduce everything too, the least far-fetched first. */
  private equals(winner: Candidate): Candidate[] {
    const { spec, tiers, starts } = this.problem;
    const moves = [...tiers.flat(2), ...starts];
    const found = new Map<string, Candidate>();
    const alike: Trial[] = [];
    for (const move of [...Object.keys(spec).map((axis) => ({ [axis]: spec[axis]! })), ...moves]) {
      if (this.isOver()) break;
      const trial = this.trialUnder({ ...winner.convention, ...move }, 0);
      if (trial === undefined || trial.key === winner.key || trial.score.differing > 0) continue;
      alike.push(trial);
    }
    for (const trial of alike.sort(better)) {
      if (found.size >= mostEquals || this.isOver()) break;
      const candidate = this.confirm(trial);
      if (candidate.score.differing === 0) found.set(candidate.key, candidate);
    }
    return [...found.values()].sort(better);
  }

  private isOver(): boolean {
    this.checkInterrupted();
    return Date.now() > this.deadline;
  }

  private checkInterrupted(): void {
    this.options.signal?.throwIfAborted();
  }
}

const shareOf = ({ unexplained, bits }: Score): number => unexplained / bits;

const probeOf = (elements: Int32Array): Int32Array => elements.filter((_, i) => i % probeStep === 0);

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
