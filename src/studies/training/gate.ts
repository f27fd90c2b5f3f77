import { type Floats, type Matrix, zeroMatrix } from './matrix.ts';

/** Experts in groups of equal size; a token takes `topk` experts among those of its `topkGroups` best groups. */
export interface GateShape {
  readonly experts: number;
  readonly groups: number;
  readonly topkGroups: number;
  readonly topk: number;
  readonly routeScale: number;
}

/** Where tokens go, slot after slot: [tokens * topk]. */
export interface Routing {
  readonly experts: Int32Array;
  /** Weights of the slots, in the logits' element type. */
  readonly weights: Floats;
  /** Affinities sigmoid(logit) [tokens, experts]. */
  readonly scores: Matrix;
}

/** Smallest sum that slot weights are divided by. */
const leastSum = 1e-20;

/**
 * DeepSeek-V3's gate (section 2.1.2): affinities by sigmoid; the bias ranks and does nothing else; groups by the sum of their two best ranked
 * scores; ties go to the lower index; weights are the unbiased affinities, normalized over the chosen, times `routeScale`.
 * @param logits [tokens, experts]
 */
export function route(logits: Matrix, bias: Floats, shape: GateShape): Routing {
  const { experts, topk, routeScale } = shape;
  const scores = zeroMatrix(logits, logits.rows, experts);
  for (let i = 0; i < scores.values.length; i++) scores.values[i] = 1 / (1 + Math.exp(-logits.values[i]!));
  const chosen = new Int32Array(logits.rows * topk);
  const weights = zeroMatrix(logits, logits.rows, topk).values;
  const ranked = zeroMatrix(logits, 1, experts).values;
  for (let token = 0; token < logits.rows; token++) {
    const own = scores.values.subarray(token * experts, (token + 1) * experts);
    for (let i = 0; i < experts; i++) ranked[i] = own[i]! + bias[i]!;
    const picked = pick(ranked, shape);
    chosen.set(picked, token * topk);
    const sum = picked.reduce((total, expert) => total + own[expert]!, leastSum);
    for (let slot = 0; slot < topk; slot++) weights[token * topk + slot] = (own[picked[slot]!]! / sum) * routeScale;
  }
  return { experts: chosen, weights, scores };
}

function pick(ranked: Floats, { experts, groups, topkGroups, topk }: GateShape): number[] {
  const size = experts / groups;
  const groupScores = Array.from({ length: groups }, (_, group) => bestTwo(ranked, group * size, (group + 1) * size));
  const kept = new Set(largest(groupScores, topkGroups));
  const open = Array.from(ranked, (score, expert) =>
    kept.has(Math.floor(expert / size)) ? score : Number.NEGATIVE_INFINITY,
  );
  return largest(open, topk);
}

function bestTwo(ranked: Floats, from: number, to: number): number {
  let [first, second] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = from; i < to; i++) {
    const score = ranked[i]!;
    if (score > first) [first, second] = [score, first];
    else if (score > second) second = score;
  }
  return to - from > 1 ? first + second : first;
}

/** Indices of the `count` largest, largest first, ties to the lower index. */
function largest(scores: readonly number[], count: number): number[] {
  const order = scores.map((_, index) => index);
  return order.sort((a, b) => scores[b]! - scores[a]! || a - b).slice(0, count);
}

/** Gradient of the logits from that of the slots' weights. */
export function routeBackward({ experts, scores }: Routing, dWeights: Floats, shape: GateShape): Matrix {
  const { topk, routeScale } = shape;
  const dLogits = zeroMatrix(scores, scores.rows, scores.columns);
  for (let token = 0; token < scores.rows; token++) {
    const at = (slot: number) => token * scores.columns + experts[token * topk + slot]!;
    let sum = leastSum;
    let projection = 0;
    for (let slot = 0; slot < topk; slot++) {
      sum += scores.values[at(slot)]!;
      projection += dWeights[token * topk + slot]! * scores.values[at(slot)]!;
    }
    for (let slot = 0; slot < topk; slot++) {
      const score = scores.values[at(slot)]!;
      const dScore = (routeScale * (dWeights[token * topk + slot]! - projection / sum)) / sum;
      dLogits.values[at(slot)] = dScore * score * (1 - score);
    }
  }
  return dLogits;
}

/** Tokens of each expert. */
export function loads({ experts }: Routing, count: number): number[] {
  const load = new Array<number>(count).fill(0);
  for (const expert of experts) load[expert] = load[expert]! + 1;
  return load;
}

/** Auxiliary-loss-free balancing: b += gamma * sign(mean load - load), once a step (V3 section 2.1.2). In place. */
export function balance(bias: Floats, load: readonly number[], gamma: number): void {
  const mean = load.reduce((sum, tokens) => sum + tokens, 0) / load.length;
  for (let i = 0; i < bias.length; i++) bias[i] = bias[i]! + gamma * Math.sign(mean - load[i]!);
}
