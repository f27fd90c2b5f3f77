import { type Convention, type Move, type Problem, pairs } from './convention.ts';
import { missedElements, scoreOf } from './score.ts';
import { barOf, better, type Candidate, exactly, type Trial, Trials } from './trials.ts';

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
  /** False where any rule that reproduces the result will do: no simpler ones and none that do the same are looked for. Default true. */
  readonly ties?: boolean;
  /** Told now and then: conventions tried, and the least share of elements left over. */
  readonly progress?: (tried: number, leftover: number) => void;
}

const beamWidth = 16;
/** Of conventions that leave the spec on the same axes, so many stay. */
const alikeKept = 2;
/** Deviations that are looked for one upon another, each with every move, before the search only climbs. */
const mostDeviations = 3;
/** Members of the beam that every move of a group is tried from: few where the group is large. */
const basesOf = (group: readonly Move[]): number => (group.length > 1000 ? 4 : group.length > 200 ? 8 : beamWidth);
const largeGroup = 1000;
/** A move of the smaller groups that leaves less than this share of the bits unexplained is followed before the larger groups are gone through. */
const decisiveShare = 0.6;
const smallGroup = 200;
/** Members of the beam that a group of moves starts from: few where the group is large. */
const moversOf = (group: readonly Move[]): number =>
  group.length > 1000 ? 1 : group.length > 200 ? 2 : group.length > 60 ? 4 : 6;
/** What a unit of far-fetchedness is worth to the beam, as a share of the bits left unexplained. */
const costShare = 0.04;
/** Climbs in a row that may bring nothing before a tier is given up. */
const patience = 2;
const confirmedAtOnce = 6;
const mostEquals = 48;
/** Elements that rule out most of what is not equal. */
const shortStretch = 400;
const maxRounds = 12;
/** Share of the budget for finding a rule; the rest is for simpler ones and those that cannot be told apart. */
const findingShare = 0.85;

/**
 * Finds the convention that reproduces a result. A beam of conventions climbs, group of axes by group, on a few elements; the best are
 * held against all; elements that they miss join the few, and the climb goes on until all is explained or nothing helps.
 */
export class Search {
  private readonly problem: Problem;
  private readonly options: SearchOptions;
  private readonly trials: Trials;
  private deadline: number;
  /** The time when it was last looked at, and how often that was asked for: a look is dear beside a trial. */
  private now = Date.now();
  private asked = 0;
  private readonly end: number;
  private readonly confirmed = new Map<string, Candidate>();
  /** The elements that candidates are confirmed on, in stretches. */
  private readonly stretches: readonly Int32Array[];

  constructor(problem: Problem, options: SearchOptions = {}) {
    const budget = options.budget ?? 15_000;
    this.problem = problem;
    this.options = options;
    this.trials = new Trials(problem);
    this.stretches = stretchesOf(problem.confirmed);
    this.deadline = Date.now() + findingShare * budget;
    this.end = Date.now() + budget;
  }

  /** Runs the search to its end. */
  run(): Found {
    const spec = this.confirm(this.trials.of(this.problem.spec));
    if (spec.score.differing > 0) this.explain(spec);
    const cut = this.isOver();
    this.deadline = this.end;
    const equals = this.settle();
    return { ranked: this.ranked(), equals, tried: this.trials.count, cut: cut || this.isOver() };
  }

  private ranked(): Candidate[] {
    return [...this.confirmed.values()].sort(better);
  }

  /**
   * Looks for a convention that reproduces everything: every move from the spec, then every move from the best of what that gave, and so on; at
   * last a climb, group by group, from the best there is.
   */
  private explain(own: Candidate): void {
    const { problem } = this;
    const { spec, starts, tiers } = problem;
    // Where the spec's own rule is nearly right, the elements that it misses tell the most.
    if (own.score.differing < own.score.elements / 2) this.learnFrom(own);
    let beam: Convention[] = [spec];
    for (let depth = 1; depth <= mostDeviations; depth++) {
      // Small groups first: a rule may be near before the large ones have to be gone through.
      const groups = [...(depth === 1 ? tiers.flat() : tiers[0]!)].sort((a, b) => a.length - b.length);
      const advanced = this.advance(beam, groups, depth === 1 ? starts : []);
      if (this.isExplained() || this.isOver()) return;
      this.confirmSome(advanced);
      if (this.isExplained()) return;
      const best = this.ranked()[0]!;
      this.options.progress?.(this.trials.count, best.score.differing / best.score.elements);
      this.learnFrom(best);
      beam = [...new Set([best, ...advanced].map(({ convention }) => convention))];
    }
    this.climbOn(beam);
    if (!this.isExplained() && problem.resort !== undefined) this.resortTo(problem.resort);
  }

  /** What explains part of the result by itself, alone and with one more move. */
  private resortTo(moves: readonly Move[]): void {
    const { spec, starts, tiers } = this.problem;
    const alone = this.advance([spec], [moves, pairs(starts, moves)], []);
    this.confirmSome(alone);
    if (this.isExplained()) return;
    const beam = alone.map(({ convention }) => convention);
    this.confirmSome(this.advance(beam, tiers[0]!, []));
  }

  private isExplained(): boolean {
    return this.ranked()[0]!.score.differing === 0;
  }

  /** Every move of every group from every convention of a beam; gives the best that came of it, and stops where one explains everything. */
  private advance(from: readonly Convention[], groups: readonly (readonly Move[])[], starts: readonly Move[]): Trial[] {
    const beam = this.keep(from.map((convention) => this.trials.of(convention)));
    let pool = [...beam];
    for (const group of [starts, ...groups]) {
      if (group.length > smallGroup && pool[0]!.score.unexplained < decisiveShare * beam[0]!.score.unexplained) break;
      for (const base of beam.slice(0, basesOf(group))) {
        const bar = barOf(this.problem, pool, base);
        for (const move of group) {
          if (this.isOver()) return this.keep(pool);
          const trial = this.trials.under({ ...base.convention, ...move }, bar, base.levels);
          if (trial === undefined) continue;
          pool.push(trial);
          if (trial.score.differing === 0 && this.reproducesAll(trial)) {
            this.confirm(trial);
            return [trial];
          }
        }
        pool = this.keep(pool);
      }
    }
    return pool;
  }

  /** Climbs tier by tier until a convention reproduces everything, or nothing helps. */
  private climbOn(from: readonly Convention[]): void {
    const { tiers } = this.problem;
    let beam = from;
    for (let tier = 0; tier < tiers.length; tier++) {
      const groups = tiers.slice(0, tier + 1).flat();
      let idle = 0;
      for (let round = 0; round < maxRounds && idle < patience; round++) {
        const climbed = this.climb(beam, round === 0 ? (tiers[tier] ?? []) : groups);
        const before = this.ranked()[0]!.score.unexplained;
        this.confirmSome(climbed);
        const best = this.ranked()[0]!;
        this.options.progress?.(this.trials.count, best.score.differing / best.score.elements);
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
    let beam = this.keep(from.map((convention) => this.trials.of(convention)));
    for (;;) {
      const before = beam[0]!;
      for (const group of groups) {
        const trials: Trial[] = [...beam];
        const bar = barOf(this.problem, beam);
        for (const { convention } of beam.slice(0, moversOf(group))) {
          for (const move of group) {
            if (this.isOver()) return this.keep(trials);
            const trial = this.trials.under({ ...convention, ...move }, bar);
            if (trial !== undefined) trials.push(trial);
          }
        }
        beam = this.keep(trials);
        if (beam[0]!.score.differing === 0) return beam;
      }
      if (better(beam[0]!, before) >= 0) return beam;
    }
  }

  /** The best trials: one of each prediction, and few of each set of axes that leave the spec, so that no axis is lost to its rivals. */
  private keep(trials: readonly Trial[]): Trial[] {
    const kept: Trial[] = [];
    const prints = new Set<string>();
    const axesKept = new Map<string, number>();
    const rank = ({ score, cost }: Trial): number => score.unexplained * (1 + costShare * cost);
    for (const trial of [...trials].sort((a, b) => rank(a) - rank(b) || better(a, b))) {
      const axes = this.changedAxes(trial.convention).join(' ');
      const alike = axesKept.get(axes) ?? 0;
      if (prints.has(trial.print) || (alike >= alikeKept && trial.score.differing > 0)) continue;
      prints.add(trial.print);
      axesKept.set(axes, alike + 1);
      kept.push(trial);
      if (kept.length === beamWidth) break;
    }
    return kept;
  }

  private changedAxes(convention: Convention): string[] {
    const { spec } = this.problem;
    return Object.keys(spec).filter((axis) => convention[axis] !== spec[axis]);
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
    return this.trials.learn(missedElements(this.problem, confirmed, this.problem.predict(convention, confirmed)));
  }

  /**
   * The simplest rule that does what the best does, and those that do the same: the climb may have come upon a far-fetched one first. From each
   * new best on, rules that lie one move away, or that take a move in place of one of its deviations.
   */
  private settle(): Candidate[] {
    let best = this.simplify(this.ranked()[0]!);
    if (best.score.differing > 0 || this.options.ties === false) return [];
    for (;;) {
      const equals = this.equals(best);
      const first = this.ranked()[0]!;
      if (first.key === best.key || this.isOver()) return equals;
      best = this.simplify(first);
    }
  }

  /** Puts axes back to the spec's as long as nothing is lost by it. */
  private simplify(candidate: Candidate): Candidate {
    const { spec } = this.problem;
    let best = candidate;
    for (let changed = true; changed; ) {
      changed = false;
      for (const axis of this.changedAxes(best.convention)) {
        const bar = best.score.differing === 0 ? exactly : undefined;
        const simpler = this.trials.under({ ...best.convention, [axis]: spec[axis]! }, bar);
        if (simpler === undefined || simpler.cost >= best.cost) continue;
        if (simpler.score.unexplained > this.trials.of(best.convention).score.unexplained) continue;
        const confirmed = this.confirm(simpler);
        if (confirmed.score.unexplained > best.score.unexplained) continue;
        best = confirmed;
        changed = true;
        break;
      }
    }
    return best;
  }

  /** Conventions near one that reproduces everything which do so too, the least far-fetched first. */
  private equals(winner: Candidate): Candidate[] {
    const alike = new Map<string, Trial>();
    for (const [i, base] of this.around(winner).entries()) {
      for (const move of this.everyMove(i < 2)) {
        if (this.isOver()) break;
        const trial = this.trials.under({ ...base, ...move }, exactly);
        if (trial !== undefined && trial.key !== winner.key) alike.set(trial.key, trial);
      }
    }
    const found: Candidate[] = [];
    for (const trial of [...alike.values()].sort(better)) {
      if (found.length >= mostEquals || this.isOver()) break;
      if (this.reproducesAll(trial)) found.push(this.confirm(trial));
    }
    return found;
  }

  /** Whether a convention gives every bit; the first stretch of elements that it does not ends it. */
  private reproducesAll({ convention, key }: Candidate): boolean {
    const known = this.confirmed.get(key);
    if (known !== undefined) return known.score.differing === 0;
    return this.stretches.every(
      (elements) => missedElements(this.problem, elements, this.problem.predict(convention, elements)).length === 0,
    );
  }

  /** A convention, the spec's, and the convention without each of its deviations. */
  private around({ convention }: Candidate): Convention[] {
    const { spec } = this.problem;
    const deviations = this.problem.describe(convention);
    const without = deviations.map(
      ({ axes }): Convention => ({
        ...convention,
        ...Object.fromEntries(axes.map((axis) => [axis, spec[axis]!])),
      }),
    );
    return without.length === 1 ? [convention, spec] : [convention, spec, ...without];
  }

  /** Every move; without the largest groups where `whole` is not asked for. */
  private everyMove(whole: boolean): Move[] {
    const { spec, tiers, starts } = this.problem;
    const groups = tiers.flat().filter((group) => whole || group.length <= largeGroup);
    return [...Object.keys(spec).map((axis): Move => ({ [axis]: spec[axis]! })), ...groups.flat(), ...starts];
  }

  private isOver(): boolean {
    if (++this.asked % 16 === 0) {
      this.options.signal?.throwIfAborted();
      this.now = Date.now();
    }
    return this.now > this.deadline;
  }
}

/** The first stretch is short and spread over all, the second is the whole. */
function stretchesOf(elements: Int32Array): Int32Array[] {
  const step = Math.ceil(elements.length / shortStretch);
  return step < 4 ? [elements] : [elements.filter((_, i) => i % step === step >> 1), elements];
}
