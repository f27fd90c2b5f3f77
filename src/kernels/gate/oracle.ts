import type { GateSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import { requireShape, requireTensor } from '../tiles.ts';
import { NAN_KEY } from './order.ts';
import { type GateTensors, gateTensors, groupKey, NO_EXPERT, rankedKeys, routeToken, weightsOf } from './reference.ts';
import { scoresOf } from './scores.ts';

/** Something that no order of ties explains. */
export interface GateViolation {
  readonly token: number;
  readonly message: string;
}

/**
 * Holds another gate's `topk_idx` and `topk_weights` against the definition, whatever its order of ties: experts distinct and of kept groups,
 * none left out that ranks above one that was chosen, slots descending, weights those of the chosen to the bit.
 * @param spec a gate without `indices`
 * @param inputs the gate's inputs
 * @param results what the other gate gave, in the shapes of this one
 */
export function gateViolations(spec: GateSpec, inputs: Tensors, results: Tensors): GateViolation[] {
  const { tokens } = spec.shape;
  const slots = spec.gate.topk + spec.gate.sharedExperts;
  const given = gateTensors(spec, inputs);
  const [experts, weights] = ['topk_idx', 'topk_weights'].map((name) => {
    const tensor = requireTensor(results, name);
    requireShape(name, tensor, [tokens, slots]);
    return tensor.codes;
  });
  const found: GateViolation[] = [];
  for (let token = 0; token < tokens; token++) {
    const own = (codes: ArrayLike<number>): number[] =>
      Array.from({ length: slots }, (_, i) => codes[token * slots + i]!);
    for (const message of tokenViolations(spec, given, token, own(experts!), own(weights!)))
      found.push({ token, message });
  }
  return found;
}

function tokenViolations(
  spec: GateSpec,
  given: GateTensors,
  token: number,
  experts: readonly number[],
  weights: readonly number[],
): string[] {
  const { gate, shape } = spec;
  // Masked and refused tokens have no ties.
  if (routeToken(spec, given, token).experts[0] === NO_EXPERT) {
    const nowhere = experts.every((expert) => expert === NO_EXPERT) && weights.every((weight) => weight === 0);
    return nowhere ? [] : ['a masked or refused token has an expert'];
  }
  const chosen = experts.slice(0, gate.topk);
  if (new Set(chosen).size < gate.topk) return ['an expert stands in two slots'];
  if (chosen.some((expert) => expert >= shape.experts)) return ['an expert that there is not'];
  const logits = given.logits.subarray(token * shape.experts, (token + 1) * shape.experts);
  const scores = scoresOf(gate.score, logits);
  const keys = rankedKeys(scores, given.bias);
  const wanted = [...weightsOf(gate, chosen, scores, logits), ...experts.slice(gate.topk).map(() => 0x3f800000)];
  return [
    ...choiceViolations(spec, keys, chosen),
    ...(chosen.some((expert, i) => i > 0 && keys[expert]! > keys[chosen[i - 1]!]!) ? ['slots ascend'] : []),
    ...(experts.slice(gate.topk).some((expert, i) => expert !== shape.experts + i)
      ? ['a shared expert is missing']
      : []),
    ...(wanted.some((bits, i) => bits !== weights[i]) ? ['weights are not those of the chosen'] : []),
  ];
}

/** Whether some order of ties keeps groups in which nothing left out ranks above the chosen. */
function choiceViolations({ gate, shape }: GateSpec, keys: Uint32Array, chosen: readonly number[]): string[] {
  const size = shape.experts / gate.groups;
  const groupOf = (expert: number): number => Math.floor(expert / size);
  const left = keys.map((key, expert) => (chosen.includes(expert) ? NAN_KEY : key));
  const bestLeft = (group: number): number => Math.max(...left.subarray(group * size, (group + 1) * size));
  const used = new Set(chosen.map(groupOf));
  const groupKeys = Array.from({ length: gate.groups }, (_, group) =>
    gate.topkGroups < gate.groups ? groupKey(gate, keys.subarray(group * size, (group + 1) * size)) : 1,
  );
  const threshold = [...groupKeys].sort((a, b) => b - a)[gate.topkGroups - 1]!;
  const better = [...groupKeys.keys()].filter((group) => groupKeys[group]! > threshold);
  const tied = [...groupKeys.keys()].filter((group) => groupKeys[group] === threshold);
  if ([...used].some((group) => groupKeys[group]! < threshold)) return ['an expert is of a group that is not kept'];
  // Of the tied groups those in use are kept, then those that leave the least behind.
  const order = tied.sort((a, b) => Number(used.has(b)) - Number(used.has(a)) || bestLeft(a) - bestLeft(b));
  const kept = [...better, ...order.slice(0, gate.topkGroups - better.length)];
  if ([...used].some((group) => !kept.includes(group))) return ['experts are of more groups than a token keeps'];
  const worst = Math.min(...chosen.map((expert) => keys[expert]!));
  return kept.some((group) => bestLeft(group) > worst)
    ? ['an expert that was left out ranks above one that was chosen']
    : [];
}
