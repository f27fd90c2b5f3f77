import type { Mutant } from './mutant.ts';

/** Wrong variants of the gate: the field's known bugs among them. */
export const gate: readonly Mutant[] = [
  {
    kernel: 'gate',
    name: 'bias in the weights',
    spec: 'gate',
    file: 'kernels/gate_weigh',
    replace: [
      ['let score = chosen_score(token, expert);', 'let score = float_add(chosen_score(token, expert), 0xbe800000u);'],
    ],
  },
  {
    kernel: 'gate',
    name: 'zero for minus infinity in groups that are left out',
    spec: 'gate',
    file: 'kernels/gate_choose',
    replace: [
      [
        'var best = vec2(NAN_KEY, 0u);\n  if (p.limited',
        'var best = vec2(0x80000000u, block * p.width);\n  if (p.limited',
      ],
    ],
  },
  {
    kernel: 'gate',
    name: 'groups by their largest instead of their two largest',
    spec: 'gate',
    file: 'kernels/gate_groups',
    replace: [['if (parameters.top2 == 1u) {', 'if (parameters.top2 == 2u) {']],
  },
  {
    kernel: 'gate',
    name: 'experts that tie to the higher index',
    spec: 'gate-ties',
    file: 'kernels/gate_choose',
    replace: [['if (after && key > best.x) {', 'if (after && key >= best.x) {']],
  },
  {
    kernel: 'gate',
    name: 'groups that tie to the higher index',
    spec: 'gate-ties',
    file: 'kernels/gate_groups',
    replace: [['if (after && key > best_key) {', 'if (after && key >= best_key) {']],
  },
  {
    kernel: 'gate',
    name: 'one group too many',
    spec: 'gate-ties',
    file: 'kernels/gate_choose',
    replace: [
      ['return key > last || (key == last && group <= state[LAST_GROUP * tokens + token]);', 'return key >= last;'],
    ],
  },
  {
    kernel: 'gate',
    name: 'the bias left out of the ranking',
    spec: 'gate',
    file: 'kernels/gate_rank',
    replace: [['if (HAS_BIAS == 1u) {', 'if (HAS_BIAS == 2u) {']],
  },
  {
    kernel: 'gate',
    name: 'keys that order negative numbers backwards',
    spec: 'gate',
    file: 'numerics/gate',
    replace: [['select(bits | SIGN_BIT, ~bits, (bits & SIGN_BIT) != 0u)', 'bits ^ SIGN_BIT']],
  },
  {
    kernel: 'gate',
    name: 'masked tokens that go somewhere',
    spec: 'gate',
    file: 'kernels/gate_weigh',
    replace: [['fates[token] == ROUTED', 'fates[token] != REFUSED']],
  },
  {
    kernel: 'gate',
    name: 'tokens with NaN that go somewhere',
    spec: 'gate-bits',
    file: 'kernels/gate_weigh',
    replace: [['fates[token] == ROUTED', 'fates[token] != MASKED']],
  },
  {
    kernel: 'gate',
    name: 'load that counts shared experts',
    spec: 'gate-ties',
    file: 'kernels/gate_weigh',
    replace: [
      ['expert = p.experts + slot - p.topk;', 'expert = p.experts + slot - p.topk;\n      atomicAdd(&load[0], 1u);'],
    ],
  },
  {
    kernel: 'gate',
    name: 'shared experts that weigh nothing',
    spec: 'gate-ties',
    file: 'kernels/gate_weigh',
    replace: [['weights[first + slot] = ONE_BITS;', 'weights[first + slot] = 0u;']],
  },
  {
    kernel: 'gate',
    name: 'sum of weights that starts at zero',
    spec: 'gate-far',
    file: 'kernels/gate_weigh',
    replace: [['var sum = SUM_START;', 'var sum = 0u;']],
  },
  {
    kernel: 'gate',
    name: 'route scale before the division',
    spec: 'gate',
    file: 'kernels/gate_weigh',
    replace: [
      [
        'float_mul(float_div(weights[first + slot], divisor), p.route_scale)',
        'float_div(float_mul(weights[first + slot], p.route_scale), divisor)',
      ],
    ],
  },
  {
    kernel: 'gate',
    name: 'softmax without the largest subtracted',
    spec: 'gate-softmax',
    file: 'numerics/gate',
    replace: [['exp_bits(float_add(logit, largest ^ SIGN_BIT))', 'exp_bits(logit)']],
  },
  {
    kernel: 'gate',
    name: 'softmax over all experts for the chosen',
    spec: 'gate-logit',
    file: 'kernels/gate_weigh',
    replace: [['return softmax_sum(units);', 'return float_add(softmax_sum(units), 0x3a000000u);']],
  },
  {
    kernel: 'gate',
    name: 'softplus without its linear end',
    spec: 'gate-softplus',
    file: 'numerics/exp',
    replace: [
      [
        'if (!negative && magnitude > 0x41a00000u) {\n    return bits;',
        'if (!negative && magnitude > 0x41a00000u) {\n    return 0x41a00000u;',
      ],
    ],
  },
  {
    kernel: 'gate',
    name: 'blocks that tie to the higher index',
    spec: 'gate-ties',
    file: 'kernels/gate_choose',
    replace: [['if (key > best_key) {', 'if (key >= best_key) {']],
  },
  {
    kernel: 'gate',
    name: 'an expert in two slots',
    spec: 'gate-ties',
    file: 'kernels/gate_choose',
    replace: [['(key == last_key && expert > last)', '(key == last_key && expert >= last)']],
  },
  {
    kernel: 'gate',
    name: 'gap with its sign turned',
    spec: 'gate',
    file: 'kernels/gate_choose',
    replace: [['select(gap_of(last_key, best_key), INFINITY_BITS', 'select(gap_of(best_key, last_key), INFINITY_BITS']],
  },
  {
    kernel: 'gate',
    name: 'a sigmoid that cuts instead of rounding',
    spec: 'gate',
    file: 'numerics/float',
    replace: [['let up = rest > 0x80u || (rest == 0x80u && (code & 1u) == 1u);', 'let up = false;']],
  },
  {
    kernel: 'gate',
    name: 'tokens of the first band again',
    spec: 'gate-split',
    file: 'kernels/gate_rank',
    replace: [['let token = i - expert * tokens;', 'let token = (i - expert * tokens) % 8u;']],
  },
];
