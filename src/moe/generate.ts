import { inputError } from '../errors.ts';
import { type ExpertLoads, requireCount, requireDivisible } from './loads.ts';
import { createRandom, type Random } from './random.ts';
import { type Routing, routingOf } from './routing.ts';

/** Loads to try things with, where there are no observed ones. */
export interface LoadRecipe {
  readonly layers: number;
  readonly experts: number;
  /** Steps of the series. */
  readonly steps: number;
  /** Tokens of a step, and experts that each chooses. */
  readonly tokens: number;
  readonly topK: number;
  /** Exponent of Zipf's law: the r-th most popular expert is chosen in proportion to r^-skew. 0: all alike. */
  readonly skew: number;
  /** How fast popularity changes hands, 0 (never) to 1 (a new order each step). */
  readonly drift: number;
  /** u32. */
  readonly seed: number;
}

/** Checks a recipe; the message says the number. */
export function checkRecipe(recipe: LoadRecipe): void {
  for (const name of ['layers', 'experts', 'steps', 'tokens', 'topK'] as const) requireCount(recipe[name], name);
  if (recipe.topK > recipe.experts) {
    throw inputError(
      `top-${recipe.topK} of ${recipe.experts} experts`,
      'topk-over-experts',
      'topK',
      'choose fewer experts a token',
    );
  }
  const within = (name: 'skew' | 'drift', most: number): void => {
    if (recipe[name] >= 0 && recipe[name] <= most) return;
    throw inputError(`${name} is ${recipe[name]}`, 'out-of-range', name, `give a number from 0 to ${most}`);
  };
  within('skew', 4);
  within('drift', 1);
  if (!Number.isInteger(recipe.seed) || recipe.seed < 0 || recipe.seed > 0xffffffff) {
    throw inputError(`seed is ${recipe.seed}`, 'out-of-range', 'seed', 'give a whole number from 0 to 4294967295');
  }
}

/**
 * A series of loads: [step][layer][expert], whole numbers. Each expert of each layer has a hidden popularity, a normal number; each step turns it by `drift`
 * towards a fresh one, so that its distribution stays and its order changes. Shares follow Zipf's law over that order, capped at one choice a token;
 * counts vary around the shares as independent choices would.
 */
export function generateLoads(recipe: LoadRecipe): ExpertLoads[] {
  checkRecipe(recipe);
  const random = createRandom(recipe.seed);
  const popularity = Array.from({ length: recipe.layers }, () =>
    Float64Array.from({ length: recipe.experts }, random.normal),
  );
  const shares = zipfShares(recipe);
  return Array.from({ length: recipe.steps }, (_, step) => {
    if (step > 0) for (const row of popularity) turn(row, recipe.drift, random);
    return popularity.map((row) => drawCounts(row, shares, recipe, random));
  });
}

/** Expected tokens of the most popular expert, the second, and so on; they add up to tokens * topK and none passes `tokens`. */
function zipfShares({ experts, tokens, topK, skew }: LoadRecipe): Float64Array {
  const weight = Float64Array.from({ length: experts }, (_, rank) => (rank + 1) ** -skew);
  const shares = new Float64Array(experts);
  let rest = tokens * topK;
  let weights = weight.reduce((sum, value) => sum + value, 0);
  // The most popular come first, so whoever is not capped now never will be.
  for (let rank = 0; rank < experts; rank++) {
    shares[rank] = Math.min(tokens, (rest * weight[rank]!) / weights);
    rest -= shares[rank]!;
    weights -= weight[rank]!;
  }
  return shares;
}

function turn(row: Float64Array, drift: number, random: Random): void {
  const angle = (drift * Math.PI) / 2;
  const [keep, change] = [Math.cos(angle), Math.sin(angle)];
  for (let at = 0; at < row.length; at++) row[at] = keep * row[at]! + change * random.normal();
}

function drawCounts(popularity: Float64Array, shares: Float64Array, { tokens }: LoadRecipe, random: Random): number[] {
  const order = Array.from(popularity.keys()).sort((a, b) => popularity[b]! - popularity[a]! || a - b);
  const counts = new Array<number>(popularity.length).fill(0);
  order.forEach((expert, rank) => {
    const share = shares[rank]!;
    const deviation = Math.sqrt(share * (1 - share / tokens));
    counts[expert] = Math.min(tokens, Math.max(0, Math.round(share + deviation * random.normal())));
  });
  return counts;
}

/** How {@link drawRouting} lets tokens choose. */
export interface RoutingRecipe {
  readonly tokens: number;
  readonly topK: number;
  readonly seed: number;
  /** Node-limited choice: experts in this many groups, of which a token chooses at most `groupLimit`. Default: no limit. */
  readonly groups?: number;
  readonly groupLimit?: number;
}

/**
 * Tokens that choose experts with about the given loads: each takes the topK experts of highest log(load) + Gumbel noise, which is a draw without replacement
 * in proportion to the loads. With groups, a token first keeps the groups whose two best experts add up highest, as the gate of DeepSeek-V3 does.
 */
export function drawRouting(loads: ArrayLike<number>, recipe: RoutingRecipe): Routing {
  const experts = loads.length;
  const { tokens, topK, groups = 1, groupLimit = groups } = recipe;
  requireCount(tokens, 'tokens');
  requireDivisible(experts, 'experts', groups, 'groups');
  requireCount(groupLimit, 'groupLimit');
  const chosen = Math.min(groups, groupLimit) * (experts / groups);
  const placed = Array.from(loads).filter((load) => load > 0).length;
  if (topK > chosen) {
    const problem = `top-${topK} of ${chosen} experts that can be chosen`;
    throw inputError(problem, 'topk-over-experts', 'topK', 'choose fewer experts a token, or allow more groups');
  }
  if (topK > placed) {
    const problem = `only ${placed} of ${experts} experts have a load, and a token chooses ${topK}`;
    throw inputError(
      problem,
      'topk-over-experts',
      'topK',
      'choose fewer experts a token, or give loads of more tokens',
    );
  }
  const random = createRandom(recipe.seed);
  const logLoad = Float64Array.from(loads, (load) => Math.log(load));
  const scores = new Float64Array(experts);
  const topkIdx = new Int32Array(tokens * topK);
  for (let token = 0; token < tokens; token++) {
    for (let expert = 0; expert < experts; expert++) scores[expert] = logLoad[expert]! + random.gumbel();
    if (groupLimit < groups) keepGroups(scores, groups, groupLimit);
    chooseBest(scores, topkIdx, token * topK, topK);
  }
  return routingOf(topkIdx, topK, experts);
}

/** Sets the scores of all groups but the best to -Infinity. */
function keepGroups(scores: Float64Array, groups: number, limit: number): void {
  const size = scores.length / groups;
  const sums = Float64Array.from({ length: groups }, (_, group) => topTwo(scores, group * size, size));
  const order = Array.from(sums.keys()).sort((a, b) => sums[b]! - sums[a]! || a - b);
  for (const group of order.slice(limit)) scores.fill(Number.NEGATIVE_INFINITY, group * size, (group + 1) * size);
}

function topTwo(scores: Float64Array, first: number, size: number): number {
  let [best, second] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let at = first; at < first + size; at++) {
    if (scores[at]! > best) [best, second] = [scores[at]!, best];
    else if (scores[at]! > second) second = scores[at]!;
  }
  return size === 1 ? best : best + second;
}

/** The k best, best first, ties to the lower index. */
function chooseBest(scores: Float64Array, out: Int32Array, at: number, k: number): void {
  let length = 0;
  for (let expert = 0; expert < scores.length; expert++) {
    if (length === k && scores[expert]! <= scores[out[at + k - 1]!]!) continue;
    let place = length < k ? length++ : k - 1;
    for (; place > 0 && scores[out[at + place - 1]!]! < scores[expert]!; place--)
      out[at + place] = out[at + place - 1]!;
    out[at + place] = expert;
  }
}
