import type { GateTensors } from '../../kernels/gate/reference.ts';
import { bitsOf, fromBits } from '../../numerics/f32.ts';
import type { GateSpec } from '../../specs/types.ts';
import type { Convention } from '../convention.ts';
import { precisions, type Round } from './scores.ts';

const none = 0xffffffff;
const one = 0x3f800000;
/** Tokens kept for the next convention. */
const keptTokens = 2 ** 13;

/** Experts and weights (f32 bits) of a token, one a slot. */
interface Routed {
  readonly experts: readonly number[];
  readonly weights: readonly number[];
}

/** A token's numbers under a convention. */
interface Token {
  readonly logits: readonly number[];
  readonly scores: readonly number[];
  /** What experts are ranked by, unless a convention says otherwise. */
  readonly ranked: readonly number[];
  readonly round: Round;
}

/** Routes tokens under any convention. Their scores are kept: most conventions share them. */
export class Router {
  private readonly spec: GateSpec;
  private readonly given: GateTensors;
  private readonly tokens = new Map<string, Token>();

  constructor(spec: GateSpec, given: GateTensors) {
    this.spec = spec;
    this.given = given;
  }

  /** Codes at elements of two parts of `size`: experts, then weights. */
  predict(convention: Convention, elements: Int32Array, size: number, slots: number): Uint32Array {
    const routed = new Map<number, Routed>();
    return Uint32Array.from(elements, (element) => {
      const place = element % size;
      const token = Math.floor(place / slots);
      let route = routed.get(token);
      if (route === undefined) {
        route = this.route(convention, token);
        routed.set(token, route);
      }
      return (element < size ? route.experts : route.weights)[place % slots]!;
    });
  }

  private route(convention: Convention, token: number): Routed {
    const { gate, shape } = this.spec;
    const slots = gate.topk + gate.sharedExperts;
    const nowhere: Routed = { experts: Array(slots).fill(none), weights: Array(slots).fill(0) };
    if (this.given.mask?.[token] === 0 && convention.mask === 'kept') return nowhere;
    const made = this.token(convention, token);
    if (made.ranked.some(Number.isNaN)) return nowhere;
    const { indices } = this.given;
    const chosen =
      indices === undefined
        ? this.choose(convention, made)
        : [...indices.subarray(token * gate.topk, (token + 1) * gate.topk)];
    const weights = this.weigh(convention, chosen, made).map(bitsOf);
    if (weights.some((bits) => (bits & 0x7fffffff) > 0x7f800000)) return nowhere;
    const shared = Array.from({ length: gate.sharedExperts }, (_, i) => shape.experts + i);
    return {
      experts: [...chosen, ...shared],
      weights: [...weights, ...shared.map(() => (convention.shared === 'one' ? one : 0))],
    };
  }

  private token({ score, precision }: Convention, token: number): Token {
    const key = `${score} ${precision} ${token}`;
    let made = this.tokens.get(key);
    if (made === undefined) {
      const { experts } = this.spec.shape;
      const { round, scores: of } = precisions[precision!]!;
      const logits = Array.from(this.given.logits.subarray(token * experts, (token + 1) * experts), fromBits);
      const scores = of(score!, logits);
      const { bias } = this.given;
      const ranked = bias === undefined ? scores : scores.map((score, i) => round(score + fromBits(bias[i]!)));
      made = { logits, scores, ranked, round };
      if (this.tokens.size > keptTokens) this.tokens.clear();
      this.tokens.set(key, made);
    }
    return made;
  }

  private choose(convention: Convention, { scores, ranked, round }: Token): number[] {
    const { gate } = this.spec;
    const values = convention.ranking === 'unbiased' ? scores : ranked;
    const keys = values.map(rankOf(convention.ranking!));
    const order = sorter(convention.ties!);
    let candidates = keys.map((_, i) => i);
    if (convention.groups !== 'unlimited') {
      const size = keys.length / gate.groups;
      const kept = this.groups(convention, values, size, round);
      const inside = (expert: number): boolean => kept.has(Math.floor(expert / size));
      // Left out, or with a zero in place of its score: that lets it in where the others' are below zero.
      if (convention.outside === 'zero') for (const i of candidates) keys[i] = inside(i) ? keys[i]! : 0;
      else candidates = candidates.filter(inside);
    }
    const chosen = order(keys, candidates).slice(0, gate.topk);
    if (convention.slots === 'ascending') return chosen.reverse();
    return convention.slots === 'by-index' ? chosen.sort((a, b) => a - b) : chosen;
  }

  /** Groups that take part. */
  private groups(convention: Convention, values: readonly number[], size: number, round: Round): Set<number> {
    const { gate } = this.spec;
    const rank = rankOf(convention.ranking!);
    const scores = Array.from({ length: gate.groups }, (_, group) =>
      rank(groupScore(convention.groups!, values.slice(group * size, (group + 1) * size), rank, round)),
    );
    const ordered = sorter(convention.groupTies!)(scores, [...scores.keys()]);
    const last = scores[ordered[gate.topkGroups - 1]!]!;
    const tied = convention.groupTies === 'all' ? ordered.filter((group) => scores[group] === last) : [];
    return new Set([...ordered.slice(0, gate.topkGroups), ...tied]);
  }

  private weigh(convention: Convention, chosen: readonly number[], token: Token): number[] {
    const { round, logits, scores, ranked } = token;
    const scale = convention.scale === 'applied' ? Math.fround(this.spec.gate.routeScale) : 1;
    const from = convention.weights === 'biased' ? ranked : convention.weights === 'logits' ? logits : scores;
    const there = chosen.filter((expert) => expert !== none);
    const weigh = (weight: (expert: number) => number): number[] =>
      chosen.map((expert) => (expert === none ? 0 : weight(expert)));
    const start = Number(convention.sumStart);
    const total = (experts: readonly number[]): number =>
      experts.reduce((sum, expert) => round(sum + from[expert]!), round(start));
    switch (convention.normalize) {
      case 'none':
        return weigh((expert) => round(from[expert]! * scale));
      case 'sum-before-scale': {
        const sum = total(there);
        return weigh((expert) => round(round(from[expert]! * scale) / sum));
      }
      case 'sum':
      case 'all': {
        const sum = total(convention.normalize === 'sum' ? there : from.map((_, i) => i));
        return weigh((expert) => round(round(from[expert]! / sum) * scale));
      }
      default: {
        const of = there.map((expert) => logits[expert]!);
        const shares = there.length === 0 ? [] : precisions[convention.precision!]!.scores('softmax', of);
        const place = new Map(there.map((expert, i) => [expert, shares[i]!]));
        return weigh((expert) => round(place.get(expert)! * scale));
      }
    }
  }
}

/** What an expert's number is ranked by: itself, or its bits as they lie, which turn the order of negative ones around. */
function rankOf(ranking: string): (x: number) => number {
  return ranking === 'pattern' ? (x) => (bitsOf(x) ^ 0x80000000) >>> 0 : (x) => x;
}

/** Indices by key, the largest first. */
function sorter(ties: string): (keys: readonly number[], candidates: readonly number[]) => number[] {
  const turn = ties === 'higher' ? -1 : 1;
  const compare = (x: number, y: number): number => (x === y ? 0 : x < y ? 1 : -1);
  return (keys, candidates) => [...candidates].sort((a, b) => compare(keys[a]!, keys[b]!) || turn * (a - b));
}

function groupScore(rule: string, values: readonly number[], rank: (x: number) => number, round: Round): number {
  const sorted = [...values].sort((a, b) => rank(b) - rank(a));
  if (rule === 'max') return sorted[0]!;
  if (rule === 'sum') return values.reduce((sum, x) => round(sum + x), 0);
  return round(sorted[0]! + sorted[1]!);
}
