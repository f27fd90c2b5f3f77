import { gateTensors } from '../../kernels/gate/reference.ts';
import type { GateSpec } from '../../specs/types.ts';
import type { Tensor, Tensors } from '../../tensors/tensor.ts';
import { along, type Convention, type Move, type Problem, pairs, type ResultPart } from '../convention.ts';
import { distanceOf, widthOf } from '../score.ts';
import { describeGate } from './describe.ts';
import { Router } from './router.ts';
import { precisions } from './scores.ts';

const firstTokens = 40;
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
    sets: [of(2), of(6), of(16), of(firstTokens)],
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
    groupTies: 'lower',
    weights: 'scores',
    normalize: gate.normalize,
    sumStart: '1e-20',
    scale: 'applied',
    slots: 'descending',
    shared: 'one',
    mask: 'kept',
  };
}

function groupsOf(spec: GateSpec): Move[][] {
  const scores = along('score', ['sigmoid', 'softmax', 'sqrt-softplus', 'logit']);
  const normalizations = along('normalize', ['none', 'sum', 'softmax', 'sum-before-scale', 'all']);
  return [
    scores.flatMap((move) => normalizations.map((other) => ({ ...move, ...other }))),
    [
      ...along('ranking', ['biased', 'unbiased', 'pattern']),
      ...along('weights', ['scores', 'biased', 'logits']),
      ...along('groups', spec.gate.groups > 1 ? ['top2-sum', 'max', 'sum', 'unlimited'] : ['unlimited']),
      ...along('outside', ['minus-infinity', 'zero']),
      ...along('ties', ['lower', 'higher']),
      ...along('scale', ['applied', 'left-out']),
      ...along('slots', ['descending', 'ascending', 'by-index']),
      ...along('groupTies', ['lower', 'higher', 'all']),
      ...along('sumStart', ['1e-20', '0', '1e-12', '1e-9', '1e-6']),
      ...along('shared', ['one', 'zero']),
      ...along('mask', ['kept', 'ignored']),
    ],
    // Precision hides in the last bits, behind everything else.
    pairs(along('precision', Object.keys(precisions)), [{}, ...scores, ...normalizations]),
    scores,
    normalizations,
  ];
}

function canonical({ gate, bias, indices, mask }: GateSpec, base: Convention, convention: Convention): Convention {
  const made: Record<string, string> = { ...convention };
  if (bias === undefined) {
    made.ranking = base.ranking!;
    if (made.weights === 'biased') made.weights = 'scores';
  }
  const reset = (...axes: string[]): void => {
    for (const axis of axes) made[axis] = base[axis]!;
  };
  if (made.groups === 'unlimited') reset('outside', 'groupTies');
  if (made.groupTies === 'all' && made.outside === 'zero') reset('groupTies');
  if (indices !== undefined) reset('ranking', 'groups', 'outside', 'ties', 'groupTies', 'slots');
  if (gate.routeScale === 1) reset('scale');
  if (gate.sharedExperts === 0) reset('shared');
  if (mask === undefined) reset('mask');
  if (!['sum', 'sum-before-scale', 'all'].includes(made.normalize!)) reset('sumStart');
  // Of logits there is nothing to be computed but what they are rounded to.
  if (made.score === 'logit' && ['rounded', 'steps'].includes(made.precision!)) made.precision = 'pinned';
  return made;
}
