import { keyOf } from '../../kernels/gate/order.ts';
import { type GateTensors, gateTensors } from '../../kernels/gate/reference.ts';
import { scoresOf } from '../../kernels/gate/scores.ts';
import { addBits, bitsOf, divBits, fromBits, mulBits } from '../../numerics/f32.ts';
import type { GateScore } from '../../specs/gate-presets.ts';
import type { GateSpec } from '../../specs/types.ts';
import type { Tensor, Tensors } from '../../tensors/tensor.ts';
import { along, type Convention, type Move, type Problem, type ResultPart } from '../convention.ts';
import { roundTo } from '../gemm/sums.ts';
import { distanceOf, widthOf } from '../score.ts';
import { describeGate } from './describe.ts';

const none = 0xffffffff;
const one = 0x3f800000;
const sumStart = bitsOf(1e-20);
const firstTokens = 24;
const confirmTokens = 4096;

/** A gate with somebody's experts and weights, ready to be searched. */
export function gateProblem(spec: GateSpec, inputs: Tensors, experts: Tensor, weights: Tensor): Problem {
  const router = new Router(spec, gateTensors(spec, inputs));
  const base = gateConvention(spec);
  const part = (name: string, tensor: Tensor, start: number): ResultPart => ({
    name,
    start,
    shape: tensor.shape,
    actual: tensor.codes,
    distance: distanceOf(tensor.dtype),
    bits: widthOf(tensor.dtype),
  });
  const size = experts.codes.length;
  const { tokens } = spec.shape;
  const slots = size / tokens;
  const of = (count: number): Int32Array => {
    const chosen = Array.from({ length: Math.min(count, tokens) }, (_, i) =>
      Math.floor((i * tokens) / Math.min(count, tokens)),
    );
    const places = chosen.flatMap((token) => Array.from({ length: slots }, (_, slot) => token * slots + slot));
    return Int32Array.from([...places, ...places.map((place) => size + place)]);
  };
  return {
    spec: base,
    starts: [],
    tiers: [groupsOf(spec)],
    parts: [part('topk_idx', experts, 0), part('topk_weights', weights, size)],
    count: 2 * size,
    first: of(firstTokens),
    confirmed: of(confirmTokens),
    canonical: (convention) => canonical(spec, base, convention),
    predict: (convention, elements) => router.predict(convention, elements, size, slots),
    describe: (convention) => describeGate(base, convention),
  };
}

/** What a gate spec says on every axis. */
export function gateConvention({ gate }: GateSpec): Convention {
  return {
    score: gate.score,
    precision: 'pinned',
    ranking: 'biased',
    groups: gate.topkGroups < gate.groups ? gate.groupScore : 'unlimited',
    outside: 'minus-infinity',
    ties: 'lower',
    weights: 'scores',
    normalize: gate.normalize,
    scale: 'applied',
    slots: 'descending',
  };
}

function groupsOf(spec: GateSpec): Move[][] {
  const scores = along('score', ['sigmoid', 'softmax', 'sqrt-softplus', 'logit']);
  const normalizations = along('normalize', ['none', 'sum', 'softmax', 'sum-before-scale', 'all']);
  return [
    scores.flatMap((move) => normalizations.map((other) => ({ ...move, ...other }))),
    [
      ...along('ranking', ['biased', 'unbiased']),
      ...along('weights', ['scores', 'biased', 'logits']),
      ...along('groups', spec.gate.groups > 1 ? ['top2-sum', 'max', 'sum', 'unlimited'] : ['unlimited']),
      ...along('outside', ['minus-infinity', 'zero']),
      ...along('ties', ['lower', 'higher']),
      ...along('scale', ['applied', 'left-out']),
      ...along('slots', ['descending', 'ascending', 'by-index']),
      ...along('precision', ['pinned', 'rounded', 'bf16']),
    ],
    scores,
    normalizations,
  ];
}

function canonical({ gate, bias, indices }: GateSpec, base: Convention, convention: Convention): Convention {
  const made: Record<string, string> = { ...convention };
  if (bias === undefined) {
    made.ranking = base.ranking!;
    if (made.weights === 'biased') made.weights = 'scores';
  }
  if (made.groups === 'unlimited') made.outside = base.outside!;
  if (indices !== undefined)
    for (const axis of ['ranking', 'groups', 'outside', 'ties', 'slots']) made[axis] = base[axis]!;
  if (gate.routeScale === 1) made.scale = base.scale!;
  if (made.score === 'logit') made.precision = made.precision === 'bf16' ? 'bf16' : 'pinned';
  return made;
}

interface Routed {
  readonly experts: readonly number[];
  readonly weights: readonly number[];
}

/** Routes tokens under any convention. Scores are kept: most conventions share them. */
class Router {
  private readonly spec: GateSpec;
  private readonly given: GateTensors;
  private readonly scores = new Map<string, Uint32Array>();

  constructor(spec: GateSpec, given: GateTensors) {
    this.spec = spec;
    this.given = given;
  }

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
    if (this.given.mask?.[token] === 0) return nowhere;
    const logits = this.given.logits.subarray(token * shape.experts, (token + 1) * shape.experts);
    if (logits.some((bits) => (bits & 0x7fffffff) > 0x7f800000)) return nowhere;
    const scores = this.scoresOf(convention, token, logits);
    const { bias, indices } = this.given;
    const ranked = bias === undefined ? scores : scores.map((bits, i) => addBits(bits, bias[i]!));
    const chosen =
      indices === undefined
        ? this.choose(convention, convention.ranking === 'unbiased' ? scores : ranked)
        : [...indices.subarray(token * gate.topk, (token + 1) * gate.topk)];
    const from = convention.weights === 'biased' ? ranked : convention.weights === 'logits' ? logits : scores;
    const shared = Array.from({ length: gate.sharedExperts }, (_, i) => shape.experts + i);
    return {
      experts: [...chosen, ...shared],
      weights: [...this.weigh(convention, chosen, from, logits), ...shared.map(() => one)],
    };
  }

  private scoresOf({ score, precision }: Convention, token: number, logits: Uint32Array): Uint32Array {
    const key = `${score} ${precision} ${token}`;
    let scores = this.scores.get(key);
    if (scores === undefined) {
      const pinned = (): Uint32Array => scoresOf(score as GateScore, logits);
      scores =
        precision === 'rounded'
          ? roundedScores(score!, logits)
          : precision === 'bf16'
            ? pinned().map((bits) => bitsOf(roundTo(fromBits(bits), 'bf16')))
            : pinned();
      if (this.scores.size > 2 ** 16) this.scores.clear();
      this.scores.set(key, scores);
    }
    return scores;
  }

  private choose(convention: Convention, ranked: Uint32Array): number[] {
    const { gate } = this.spec;
    const order = sorter(convention.ties!);
    const all = Array.from(ranked, (_, i) => i);
    let keys = Array.from(ranked, keyOf);
    if (convention.groups !== 'unlimited') {
      const size = ranked.length / gate.groups;
      const scores = Array.from({ length: gate.groups }, (_, group) =>
        keyOf(groupScore(convention.groups!, ranked.subarray(group * size, (group + 1) * size))),
      );
      const kept = new Set(order(scores, [...scores.keys()]).slice(0, gate.topkGroups));
      // Minus infinity leaves an expert out; zero lets it in where the others' ranked scores are below zero.
      const outside = convention.outside === 'zero' ? keyOf(0) : 0;
      keys = keys.map((key, i) => (kept.has(Math.floor(i / size)) ? key : outside));
    }
    const chosen = order(keys, all).slice(0, gate.topk);
    if (convention.slots === 'ascending') return chosen.reverse();
    return convention.slots === 'by-index' ? chosen.sort((a, b) => a - b) : chosen;
  }

  private weigh(convention: Convention, chosen: readonly number[], from: Uint32Array, logits: Uint32Array): number[] {
    const { gate } = this.spec;
    const scale = convention.scale === 'applied' ? bitsOf(gate.routeScale) : one;
    const there = chosen.filter((expert) => expert !== none);
    const weigh = (weight: (expert: number) => number): number[] =>
      chosen.map((expert) => (expert === none ? 0 : weight(expert)));
    const total = (start: number, experts: readonly number[]): number =>
      experts.reduce((sum, expert) => addBits(sum, from[expert]!), start);
    switch (convention.normalize) {
      case 'none':
        return weigh((expert) => mulBits(from[expert]!, scale));
      case 'sum': {
        const sum = total(sumStart, there);
        return weigh((expert) => mulBits(divBits(from[expert]!, sum), scale));
      }
      case 'sum-before-scale': {
        const sum = total(0, there);
        return weigh((expert) => divBits(mulBits(from[expert]!, scale), sum));
      }
      case 'all': {
        const sum = total(
          sumStart,
          Array.from(from, (_, i) => i),
        );
        return weigh((expert) => mulBits(divBits(from[expert]!, sum), scale));
      }
      default: {
        const shares = scoresOf(
          'softmax',
          Uint32Array.from(there, (expert) => logits[expert]!),
        );
        const place = new Map(there.map((expert, i) => [expert, shares[i]!]));
        return weigh((expert) => mulBits(place.get(expert)!, scale));
      }
    }
  }
}

/** Indices by key, the largest first. */
function sorter(ties: string): (keys: ArrayLike<number>, candidates: readonly number[]) => number[] {
  const turn = ties === 'lower' ? 1 : -1;
  return (keys, candidates) => [...candidates].sort((a, b) => keys[b]! - keys[a]! || turn * (a - b));
}

function groupScore(rule: string, ranked: Uint32Array): number {
  const sorted = Array.from(ranked).sort((a, b) => keyOf(b) - keyOf(a));
  if (rule === 'max') return sorted[0]!;
  if (rule === 'sum') return ranked.reduce((sum, bits) => addBits(sum, bits), 0);
  return addBits(sorted[0]!, sorted[1]!);
}

/** Scores in double precision, rounded once: what a careful library gives, where the contract pins its own exponential. */
function roundedScores(score: string, logits: Uint32Array): Uint32Array {
  const values = Array.from(logits, fromBits);
  if (score === 'softmax') {
    const largest = Math.max(...values);
    const sum = values.reduce((total, x) => total + Math.exp(x - largest), 0);
    return Uint32Array.from(values, (x) => bitsOf(Math.exp(x - largest) / sum));
  }
  const value = (x: number): number =>
    score === 'sigmoid' ? 1 / (1 + Math.exp(-x)) : Math.sqrt(x > 20 ? x : Math.log1p(Math.exp(x)));
  return score === 'logit' ? logits : Uint32Array.from(values, (x) => bitsOf(value(x)));
}
