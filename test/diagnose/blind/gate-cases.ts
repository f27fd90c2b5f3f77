import { gateSpec } from '../../helpers/gate.ts';
import { type BlindCase, type Change, drawChanges, shown } from './draw.ts';
import { bf16, bitsOf } from './numbers.ts';
import { normal, pick, randomOf } from './random.ts';

/** A whole gate, as one project has it. */
interface Rule {
  readonly score: 'sigmoid' | 'softmax';
  readonly precision: 'rounded' | 'steps' | 'f64' | 'bf16';
  readonly biasRanks: boolean;
  readonly biasWeighs: boolean;
  readonly groups: 'top2-sum' | 'max' | 'sum' | 'unlimited';
  readonly outside: 'minus-infinity' | 'zero';
  readonly ties: 'lower' | 'higher';
  readonly normalize: 'none' | 'sum' | 'softmax' | 'sum-before-scale' | 'all';
  readonly routeScale: number;
  readonly slots: 'descending' | 'ascending' | 'by-index';
}

type GateChange = Change<Rule>;

const along = <K extends keyof Rule>(kind: K, values: readonly Rule[K][], axis: string, names?: readonly string[]) =>
  values.map(
    (value, i): GateChange => ({
      kind,
      name: `${kind} ${value}`,
      apply: (rule) => ({ ...rule, [kind]: value }),
      expect: { [axis]: names?.[i] ?? String(value) },
    }),
  );

const changes: readonly GateChange[] = [
  ...along('score', ['softmax'], 'score'),
  ...along('precision', ['steps', 'f64', 'bf16'], 'precision'),
  ...along('biasRanks', [false], 'ranking', ['unbiased']),
  ...along('biasWeighs', [true], 'weights', ['biased']),
  ...along('groups', ['max', 'sum', 'unlimited'], 'groups'),
  ...along('outside', ['zero'], 'outside'),
  ...along('ties', ['higher'], 'ties'),
  ...along('normalize', ['none', 'softmax', 'sum-before-scale', 'all'], 'normalize'),
  ...along('routeScale', [1], 'scale', ['left-out']),
  ...along('slots', ['ascending', 'by-index'], 'slots'),
];

const shape = { tokens: 96, experts: 64, groups: 8, topkGroups: 4, topk: 6, routeScale: 2.5 };

/** Draws case `seed` of a gate. Undefined where no change shows in the result. */
export function gateCase(seed: number): BlindCase | undefined {
  const random = randomOf(seed);
  const kind = pick(random, ['usual', 'ties', 'low'] as const);
  const { tokens, experts } = shape;
  // Few different logits tie; a bias far below zero lets zeros in.
  const logits = Float32Array.from({ length: tokens * experts }, () =>
    kind === 'ties' ? Math.round(2 * normal(random)) / 2 : normal(random),
  );
  const bias = Float32Array.from({ length: experts }, () =>
    kind === 'ties' ? 0 : kind === 'low' ? -2 + normal(random) / 16 : normal(random) / 16,
  );
  const own: Rule = {
    score: 'sigmoid',
    precision: 'rounded',
    biasRanks: true,
    biasWeighs: false,
    groups: 'top2-sum',
    outside: 'minus-infinity',
    ties: 'lower',
    normalize: 'sum',
    routeScale: shape.routeScale,
    slots: 'descending',
  };
  const drawn = drawChanges(random, changes, { routeScale: ['normalize'] });
  const under = (rule: Rule) => routed(logits, bias, rule);
  const kept = shown(drawn, own, (rule) => JSON.stringify(under(rule)));
  const { experts: chosen, weights } = under(kept.reduce((rule, { apply }) => apply(rule), own));
  const precision = kept.some((it) => it.kind === 'precision') ? [] : [{ precision: 'rounded' }];
  const gate = {
    score: 'sigmoid',
    groups: shape.groups,
    topkGroups: shape.topkGroups,
    topk: shape.topk,
    groupScore: 'top2-sum',
    normalize: 'sum',
    routeScale: shape.routeScale,
  };
  const given = { input: { generate: 'normal', dtype: 'f32' } };
  const slots = [tokens, shape.topk];
  return {
    name: `gate ${seed}: ${kind}: ${drawn.map((it) => `${it.name}${kept.includes(it) ? '' : ' (does not show)'}`).join(' + ')}`,
    spec: gateSpec(tokens, experts, gate, { bias: given }),
    inputs: {
      logits: { dtype: 'F32', shape: [tokens, experts], codes: new Uint32Array(logits.buffer) },
      bias: { dtype: 'F32', shape: [experts], codes: new Uint32Array(bias.buffer) },
    },
    actual: {
      topk_idx: { dtype: 'I32', shape: slots, codes: Uint32Array.from(chosen) },
      topk_weights: { dtype: 'F32', shape: slots, codes: Uint32Array.from(weights, bitsOf) },
    },
    expect: [...kept.map(({ expect }) => expect), ...precision],
  };
}

/** Experts and weights of every token. */
function routed(
  logits: Float32Array,
  bias: Float32Array,
  rule: Rule,
): { readonly experts: number[]; readonly weights: number[] } {
  const found: { experts: number[]; weights: number[] } = { experts: [], weights: [] };
  for (let token = 0; token < shape.tokens; token++) {
    const own = [...logits.subarray(token * shape.experts, (token + 1) * shape.experts)];
    const r = rule.precision === 'f64' ? (x: number) => x : Math.fround;
    const scores = scoresOf(own, rule);
    const biased = scores.map((score, i) => r(score + bias[i]!));
    const experts = chosenOf(rule.biasRanks ? biased : scores, rule, r);
    found.experts.push(...experts);
    found.weights.push(...weightsOf(experts, rule.biasWeighs ? biased : scores, own, rule, r));
  }
  return found;
}

function scoresOf(logits: readonly number[], { score, precision }: Rule): number[] {
  const step = precision === 'steps' ? Math.fround : (x: number): number => x;
  const last = precision === 'f64' ? (x: number): number => x : precision === 'bf16' ? bf16 : Math.fround;
  if (score === 'sigmoid') return logits.map((x) => last(step(1 / step(1 + step(Math.exp(-x))))));
  return softmax(logits, step).map(last);
}

function softmax(logits: readonly number[], step: (x: number) => number): number[] {
  const top = Math.max(...logits);
  const powers = logits.map((x) => step(Math.exp(step(x - top))));
  const sum = powers.reduce((total, x) => step(total + x), 0);
  return powers.map((x) => step(x / sum));
}

type Round = (x: number) => number;

const sorted = (keys: readonly number[], all: readonly number[], ties: Rule['ties']): number[] =>
  [...all].sort((a, b) => keys[b]! - keys[a]! || (ties === 'lower' ? a - b : b - a));

function chosenOf(ranked: readonly number[], rule: Rule, r: Round): number[] {
  const size = shape.experts / shape.groups;
  const all = ranked.map((_, i) => i);
  let keys = [...ranked];
  let open = all;
  if (rule.groups !== 'unlimited') {
    const scores = Array.from({ length: shape.groups }, (_, group) => {
      const members = ranked.slice(group * size, (group + 1) * size);
      const [first, second] = [...members].sort((a, b) => b - a);
      if (rule.groups === 'max') return first!;
      return rule.groups === 'sum' ? members.reduce((sum, x) => r(sum + x), 0) : r(first! + second!);
    });
    const best = sorted(scores, [...scores.keys()], 'lower').slice(0, shape.topkGroups);
    const inside = (i: number): boolean => best.includes(Math.floor(i / size));
    if (rule.outside === 'zero') keys = keys.map((key, i) => (inside(i) ? key : 0));
    else open = all.filter(inside);
  }
  const chosen = sorted(keys, open, rule.ties).slice(0, shape.topk);
  if (rule.slots === 'ascending') return chosen.reverse();
  return rule.slots === 'by-index' ? chosen.sort((a, b) => a - b) : chosen;
}

function weightsOf(
  experts: readonly number[],
  from: readonly number[],
  logits: readonly number[],
  rule: Rule,
  r: Round,
): number[] {
  const scale = rule.routeScale;
  const sumOf = (list: readonly number[]): number => list.reduce((sum, i) => r(sum + from[i]!), r(1e-20));
  if (rule.normalize === 'none') return experts.map((i) => r(from[i]! * scale));
  if (rule.normalize === 'softmax') {
    const step = rule.precision === 'steps' ? Math.fround : (x: number): number => x;
    const last = rule.precision === 'f64' ? (x: number): number => x : rule.precision === 'bf16' ? bf16 : Math.fround;
    const shares = softmax(
      experts.map((i) => logits[i]!),
      step,
    ).map(last);
    return shares.map((x) => r(x * scale));
  }
  const sum = sumOf(rule.normalize === 'all' ? from.map((_, i) => i) : experts);
  if (rule.normalize === 'sum-before-scale') return experts.map((i) => r(r(from[i]! * scale) / sum));
  return experts.map((i) => r(r(from[i]! / sum) * scale));
}
