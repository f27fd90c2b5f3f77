import { gapOf, keyOf, largest } from '../../kernels/gate/order.ts';
import { type GateTensors, gateReference, gateTensors, rankedKeys, routeToken } from '../../kernels/gate/reference.ts';
import { scoresOf, softmaxSums } from '../../kernels/gate/scores.ts';
import { addBits, bitsOf } from '../../numerics/f32.ts';
import type { GateSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import type { Tracer } from './quantize.ts';
import { codeOf, f32, i32, type Quantity, Recorder, type TraceSection } from './steps.ts';

/** A token as the gate sees it. */
interface TracedToken {
  readonly logits: Uint32Array;
  readonly scores: Uint32Array;
  readonly ranked: Uint32Array;
  readonly keys: Uint32Array;
}

/** Derives elements of a gate: how a slot's expert and weight came about, and how near the choice was. */
export function gateTracer(spec: GateSpec, inputs: Tensors): Tracer {
  const given = gateTensors(spec, inputs);
  const load = gateReference(spec, inputs).load!;
  return (tensor, [row, slot]) => {
    const recorder = new Recorder();
    if (tensor === 'load') {
      const result = recorder.record('count', 'slots that chose the expert', [], i32('load', load.codes[row!]!));
      return { sections: [recorder.section(`Tokens of expert ${row}`)], result };
    }
    const routed = routeToken(spec, given, row!);
    if (routed.experts[0] === 0xffffffff && goesNowhere(routed.experts)) {
      const why = given.mask?.[row!] === 0 ? 'the mask has 0 for the token' : 'a value of the token is NaN';
      const value = { topk_idx: i32('expert', -1), topk_weights: f32('weight', 0) }[tensor] ?? f32('gap', routed.gap);
      const result = recorder.record('place', why, [], value);
      return { sections: [recorder.section('Token without experts')], result };
    }
    const token = tokenOf(spec, given, row!);
    if (tensor === 'near_ties') return traceGap(spec, token);
    if (tensor === 'group_gaps') return traceGroupGap(spec, token);
    if (tensor === 'topk_idx') return traceExpert(spec, token, routed.experts, slot!);
    return traceWeight(spec, token, routed.experts, slot!);
  };
}

const goesNowhere = (experts: readonly number[]): boolean => experts.every((expert) => expert === 0xffffffff);

function tokenOf(spec: GateSpec, given: GateTensors, token: number): TracedToken {
  const { experts } = spec.shape;
  const logits = given.logits.subarray(token * experts, (token + 1) * experts);
  const scores = scoresOf(spec.gate.score, logits);
  const ranked = scores.map((bits, i) => (given.bias === undefined ? bits : addBits(bits, given.bias[i]!)));
  return { logits, scores, ranked, keys: rankedKeys(scores, given.bias) };
}

/** Scores of the groups, where tokens choose among them: the kept first. */
function groupsOf({ gate, shape }: GateSpec, { keys, ranked }: TracedToken): { order: number[]; scores: Uint32Array } {
  const size = shape.experts / gate.groups;
  const scores = Uint32Array.from({ length: gate.groups }, (_, group) => {
    const members = Array.from({ length: size }, (_, i) => group * size + i);
    const [first, second] = largest(keys, members, 2);
    return gate.groupScore === 'max' ? ranked[first!]! : addBits(ranked[first!]!, ranked[second!]!);
  });
  return { order: largest(scores.map(keyOf), [...scores.keys()], gate.groups), scores };
}

/** Experts that may be chosen, the best first. */
function orderOf(spec: GateSpec, token: TracedToken): number[] {
  const { gate, shape } = spec;
  const kept = new Set(groupsOf(spec, token).order.slice(0, gate.topkGroups));
  const size = shape.experts / gate.groups;
  const eligible = [...token.keys.keys()].filter(
    (i) => gate.topkGroups === gate.groups || kept.has(Math.floor(i / size)),
  );
  return largest(token.keys, eligible, eligible.length);
}

/** The values that ranked an expert. */
function ranking(recorder: Recorder, { gate }: GateSpec, token: TracedToken, expert: number): Quantity {
  const logit = f32(`logit ${expert}`, token.logits[expert]!);
  const score = f32(`score ${expert}`, token.scores[expert]!);
  recorder.record('score', gate.score, [logit], score);
  const ranked = f32(`ranked ${expert}`, token.ranked[expert]!);
  return recorder.record('add', 'fl(score + bias)', [score], ranked);
}

function traceExpert(spec: GateSpec, token: TracedToken, experts: readonly number[], slot: number): Derived {
  const recorder = new Recorder();
  const { topk } = spec.gate;
  if (slot >= topk) {
    const shared = recorder.record('place', 'a shared expert', [], i32('expert', spec.shape.experts + slot - topk));
    return { sections: [recorder.section('Shared expert')], result: shared };
  }
  if (spec.indices !== undefined) {
    const replayed = recorder.record('read', `indices, slot ${slot}`, [], i32('expert', experts[slot]!));
    return { sections: [recorder.section('Replayed choice')], result: replayed };
  }
  const expert = orderOf(spec, token)[slot]!;
  const ranked = ranking(recorder, spec, token, expert);
  const result = recorder.record('place', `place ${slot} of the eligible, from 0`, [ranked], i32('expert', expert));
  return { sections: [...groupSections(spec, token), recorder.section('Choice of the expert')], result };
}

interface Derived {
  readonly sections: readonly TraceSection[];
  readonly result: Quantity;
}

/** The groups a token keeps. */
function groupSections(spec: GateSpec, token: TracedToken): TraceSection[] {
  if (spec.gate.topkGroups === spec.gate.groups) return [];
  const { order, scores } = groupsOf(spec, token);
  const recorder = new Recorder();
  order.forEach((group, place) => {
    const kept = place < spec.gate.topkGroups ? 'kept' : 'left out';
    recorder.record('place', `${spec.gate.groupScore}, ${kept}`, [f32('score', scores[group]!)], i32('group', group));
  });
  return [recorder.section('Groups', 'the best first')];
}

function traceWeight(spec: GateSpec, token: TracedToken, experts: readonly number[], slot: number): Derived {
  const { gate } = spec;
  const recorder = new Recorder();
  if (slot >= gate.topk) {
    const one = recorder.record('place', 'a shared expert weighs 1', [], f32('weight', 0x3f800000));
    return { sections: [recorder.section('Weight')], result: one };
  }
  const expert = experts[slot]!;
  if (expert === 0xffffffff) {
    const none = recorder.record('place', 'no expert, no weight', [], f32('weight', 0));
    return { sections: [recorder.section('Weight')], result: none };
  }
  const chosen = experts.slice(0, gate.topk).filter((other) => other !== 0xffffffff);
  const share = shareOf(recorder, spec, token, chosen, expert);
  const result = recorder.multiply('weight', share, f32('routeScale', bitsOf(gate.routeScale)));
  return { sections: [recorder.section('Weight')], result };
}

/** The weight before the route scale. */
function shareOf(
  recorder: Recorder,
  { gate }: GateSpec,
  { logits, scores }: TracedToken,
  chosen: readonly number[],
  expert: number,
): Quantity {
  const score = f32(`score ${expert}`, scores[expert]!);
  if (gate.normalize === 'none') return score;
  if (gate.normalize === 'softmax') {
    const bits = Uint32Array.from(chosen, (other) => logits[other]!);
    const { largest: best, sum } = softmaxSums(bits);
    const difference = recorder.subtract('l - largest', f32('l', logits[expert]!), f32('largest', best));
    const exponential = recorder.exponential('e', difference);
    return recorder.divide('share', exponential, f32('sum', sum));
  }
  let sum = f32('sum', bitsOf(1e-20));
  for (const other of chosen) {
    const next = f32(`score ${other}`, scores[other]!);
    sum = recorder.record('add', `fl(sum + ${next.name})`, [sum, next], f32('sum', addBits(codeOf(sum), codeOf(next))));
  }
  return recorder.divide('share', score, sum);
}

function traceGap(spec: GateSpec, token: TracedToken): Derived {
  const order = orderOf(spec, token);
  const last = order[spec.gate.topk - 1]!;
  const next = order[spec.gate.topk];
  const recorder = new Recorder();
  const values = [last, ...(next === undefined ? [] : [next])].map((expert) => ranking(recorder, spec, token, expert));
  const gap = gapOf(token.keys[last]!, next === undefined ? undefined : token.keys[next]!);
  const formula = next === undefined ? 'no expert is left' : 'fl(last chosen - first left out)';
  const result = recorder.record('add', formula, values, f32('gap', gap));
  return { sections: [...groupSections(spec, token), recorder.section('Gap behind the last expert')], result };
}

function traceGroupGap(spec: GateSpec, token: TracedToken): Derived {
  const { order, scores } = groupsOf(spec, token);
  const [last, next] = [order[spec.gate.topkGroups - 1]!, order[spec.gate.topkGroups]!];
  const recorder = new Recorder();
  const operands = [f32(`group ${last}`, scores[last]!), f32(`group ${next}`, scores[next]!)];
  const gap = gapOf(keyOf(scores[last]!), keyOf(scores[next]!));
  const result = recorder.record('add', 'fl(last kept - first left out)', operands, f32('gap', gap));
  return { sections: [recorder.section('Gap behind the last group')], result };
}
