import { inputError } from '../../errors.ts';
import { addBits, bitsOf, divBits, INF_BITS, mulBits, NAN_BITS } from '../../numerics/f32.ts';
import type { GateRule } from '../../specs/gate-presets.ts';
import type { GateSpec } from '../../specs/types.ts';
import type { Tensor, Tensors } from '../../tensors/tensor.ts';
import { widen } from '../quantize/reference.ts';
import { requireShape, requireTensor } from '../tiles.ts';
import { bitsOfKey, gapOf, keyOf, largest, NAN_KEY } from './order.ts';
import { scoresOf, softmaxOf, softmaxSums } from './scores.ts';
import { limitsGroups } from './spec.ts';

const ONE = 0x3f800000;
/** Lane of a slot that holds no expert: -1. */
export const NO_EXPERT = 0xffffffff;
/** 1e-20: sums of scores start here, so that none is zero. */
const SUM_START = bitsOf(1e-20);

/** What the gate made of a token: an expert (or {@link NO_EXPERT}) and a weight a slot, and how near the choice was. */
export interface RoutedToken {
  readonly experts: readonly number[];
  readonly weights: readonly number[];
  readonly gap: number;
  readonly groupGap: number;
}

/** The gate's inputs as f32 bits and lanes, checked. */
export interface GateTensors {
  readonly logits: Uint32Array;
  readonly bias?: Uint32Array;
  readonly mask?: Tensor['codes'];
  readonly indices?: Tensor['codes'];
}

/** The inputs of a gate; refuses wrong shapes and experts that there are not. */
export function gateTensors(spec: GateSpec, inputs: Tensors): GateTensors {
  const { tokens, experts } = spec.shape;
  const numbers = (name: string, shape: readonly number[]): Uint32Array => {
    const tensor = requireTensor(inputs, name);
    requireShape(name, tensor, shape);
    return widen(tensor);
  };
  const lanes = (name: string, shape: readonly number[]): Tensor['codes'] => {
    const tensor = requireTensor(inputs, name);
    requireShape(name, tensor, shape);
    return tensor.codes;
  };
  const indices = spec.indices === undefined ? undefined : lanes('indices', [tokens, spec.gate.topk]);
  const wrong = indices?.findIndex((expert) => expert !== NO_EXPERT && expert >= experts) ?? -1;
  if (wrong >= 0) {
    throw inputError(
      `indices[${Math.floor(wrong / spec.gate.topk)}, ${wrong % spec.gate.topk}] is ${indices![wrong]! | 0}, and there are ${experts} experts`,
      'no-such-expert',
      'indices',
      `use 0 to ${experts - 1}, and -1 for none`,
    );
  }
  return {
    logits: numbers('logits', [tokens, experts]),
    ...(spec.bias !== undefined && { bias: numbers('bias', [experts]) }),
    ...(spec.mask !== undefined && { mask: lanes('mask', [tokens]) }),
    ...(indices !== undefined && { indices }),
  };
}

/** Experts and weights of every token: docs/numerics.md, "Gate". */
export function gateReference(spec: GateSpec, inputs: Tensors): Tensors {
  const { tokens, experts } = spec.shape;
  const slots = spec.gate.topk + spec.gate.sharedExperts;
  const given = gateTensors(spec, inputs);
  const topkIdx = new Uint32Array(tokens * slots);
  const topkWeights = new Uint32Array(tokens * slots);
  const load = new Uint32Array(experts);
  const nearTies = new Uint32Array(tokens);
  const groupGaps = new Uint32Array(tokens);
  for (let token = 0; token < tokens; token++) {
    const routed = routeToken(spec, given, token);
    topkIdx.set(routed.experts, token * slots);
    topkWeights.set(routed.weights, token * slots);
    nearTies[token] = routed.gap;
    groupGaps[token] = routed.groupGap;
    for (const expert of routed.experts) if (expert < experts) load[expert]!++;
  }
  return {
    topk_idx: { dtype: 'I32', shape: [tokens, slots], codes: topkIdx },
    topk_weights: { dtype: 'F32', shape: [tokens, slots], codes: topkWeights },
    load: { dtype: 'I32', shape: [experts], codes: load },
    ...(spec.indices === undefined && { near_ties: { dtype: 'F32', shape: [tokens], codes: nearTies } }),
    ...(limitsGroups(spec) && { group_gaps: { dtype: 'F32', shape: [tokens], codes: groupGaps } }),
  };
}

/** A token without experts. */
function nowhere(slots: number, gap: number): RoutedToken {
  return { experts: Array(slots).fill(NO_EXPERT), weights: Array(slots).fill(0), gap, groupGap: gap };
}

/** One token of {@link gateReference}. */
export function routeToken(spec: GateSpec, given: GateTensors, token: number): RoutedToken {
  const { gate, shape } = spec;
  const slots = gate.topk + gate.sharedExperts;
  if (given.mask?.[token] === 0) return nowhere(slots, INF_BITS);
  const logits = given.logits.subarray(token * shape.experts, (token + 1) * shape.experts);
  const scores = scoresOf(gate.score, logits);
  const choice =
    given.indices === undefined
      ? choose(gate, rankedKeys(scores, given.bias))
      : replayed(given.indices.subarray(token * gate.topk, (token + 1) * gate.topk));
  if (choice === undefined) return nowhere(slots, NAN_BITS);
  const weights = weightsOf(gate, choice.experts, scores, logits);
  if (weights.some((bits) => keyOf(bits) === NAN_KEY)) return nowhere(slots, NAN_BITS);
  const shared = Array.from({ length: gate.sharedExperts }, (_, i) => shape.experts + i);
  return { ...choice, experts: [...choice.experts, ...shared], weights: [...weights, ...shared.map(() => ONE)] };
}

/** Keys of score + bias, by which experts are ranked: the bias is nowhere else. */
export function rankedKeys(scores: Uint32Array, bias: Uint32Array | undefined): Uint32Array {
  return scores.map((bits, expert) => keyOf(bias === undefined ? bits : addBits(bits, bias[expert]!)));
}

/** The experts a token chose, and the gaps to those it did not. */
type Choice = Omit<RoutedToken, 'weights'>;

function replayed(experts: Tensor['codes']): Choice {
  return { experts: [...experts], gap: INF_BITS, groupGap: INF_BITS };
}

/** The topk experts of the best groups; undefined where a value is NaN. */
function choose(gate: GateRule, keys: Uint32Array): Choice | undefined {
  if (keys.includes(NAN_KEY)) return undefined;
  const size = keys.length / gate.groups;
  const all = [...keys.keys()];
  let eligible = all;
  let groupGap = INF_BITS;
  if (gate.topkGroups < gate.groups) {
    const groupKeys = Array.from({ length: gate.groups }, (_, group) =>
      groupKey(gate, keys.subarray(group * size, (group + 1) * size)),
    );
    if (groupKeys.includes(NAN_KEY)) return undefined;
    const order = largest(groupKeys, [...groupKeys.keys()], gate.topkGroups + 1);
    const kept = new Set(order.slice(0, gate.topkGroups));
    eligible = all.filter((expert) => kept.has(Math.floor(expert / size)));
    groupGap = gapOf(groupKeys[order.at(-2)!]!, groupKeys[order.at(-1)!]!);
  }
  const order = largest(keys, eligible, gate.topk + 1);
  const next = order[gate.topk];
  const gap = gapOf(keys[order[gate.topk - 1]!]!, next === undefined ? undefined : keys[next]!);
  return { experts: order.slice(0, gate.topk), gap, groupGap };
}

/** A group's score as a key. */
export function groupKey({ groupScore }: GateRule, keys: Uint32Array): number {
  const [first, second] = largest(keys, [...keys.keys()], 2);
  if (groupScore === 'max') return keys[first!]!;
  return keyOf(addBits(bitsOfKey(keys[first!]!), bitsOfKey(keys[second!]!)));
}

/** Weights of the chosen, +0 where a slot holds none. */
export function weightsOf(
  gate: GateRule,
  experts: readonly number[],
  scores: Uint32Array,
  logits: Uint32Array,
): number[] {
  const scale = bitsOf(gate.routeScale);
  const scaled = (weight: (expert: number) => number): number[] =>
    experts.map((expert) => (expert === NO_EXPERT ? 0 : mulBits(weight(expert), scale)));
  const chosen = experts.filter((expert) => expert !== NO_EXPERT);
  if (gate.normalize === 'none') return scaled((expert) => scores[expert]!);
  if (gate.normalize === 'sum') {
    const sum = chosen.reduce((total, expert) => addBits(total, scores[expert]!), SUM_START);
    return scaled((expert) => divBits(scores[expert]!, sum));
  }
  if (chosen.length === 0) return experts.map(() => 0);
  const sums = softmaxSums(Uint32Array.from(chosen, (expert) => logits[expert]!));
  return scaled((expert) => softmaxOf(logits[expert]!, sums));
}
