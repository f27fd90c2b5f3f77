import type { Mutant } from './mutant.ts';

/** Wrong variants of what balances experts. */
export const balance: readonly Mutant[] = [
  {
    kernel: 'bias-update',
    name: 'sign of the overloaded',
    spec: 'bias-update',
    file: 'kernels/bias_update',
    replace: [['parameters.gamma ^ SIGN_BIT', 'parameters.gamma']],
  },
  {
    kernel: 'bias-update',
    name: 'an even load moved',
    spec: 'bias-update',
    file: 'kernels/bias_update',
    replace: [['} else if (u64_less(total, own)) {', '} else {']],
  },
  {
    kernel: 'bias-update',
    name: 'loads summed in 32 bits',
    spec: 'bias-update',
    file: 'kernels/bias_update',
    replace: [['total = u64_add(total, vec2(load[i], 0u));', 'total.x += load[i];']],
  },
  {
    kernel: 'load-statistics',
    name: 'last slot dropped',
    spec: 'load-statistics',
    file: 'kernels/count_experts',
    replace: [['slot >= parameters.slots', 'slot + 1u >= parameters.slots']],
  },
  {
    kernel: 'load-statistics',
    name: 'empty slots in no share',
    spec: 'load-statistics',
    file: 'kernels/load_statistics',
    replace: [['), parameters.slots);', '), float_of_whole(vec2(load[0] * parameters.experts, 0u)));']],
  },
  {
    kernel: 'load-statistics',
    name: 'mean load cut to a whole number',
    spec: 'load-statistics',
    file: 'kernels/load_statistics',
    replace: [
      [
        'float_div(float_of_whole(u64_multiply(largest, parameters.experts)), float_of_whole(total))',
        'float_div(float_of_whole(vec2(largest, 0u)), float_of_whole(vec2(total.x / parameters.experts, 0u)))',
      ],
    ],
  },
  {
    kernel: 'balance-loss',
    name: 'scores in place of their shares',
    spec: 'balance-loss',
    file: 'kernels/balance_shares',
    replace: [['float_div(shares[expert * p.tokens + token], total)', 'shares[expert * p.tokens + token]']],
  },
  {
    kernel: 'balance-loss',
    name: 'last token of a chunk dropped',
    spec: 'balance-loss',
    file: 'kernels/balance_sums',
    replace: [['min(first + CHUNK, p.tokens)', 'min(first + CHUNK - 1u, p.tokens)']],
  },
  {
    kernel: 'balance-loss',
    name: 'the last band alone',
    spec: 'balance-loss-split',
    file: 'kernels/balance_sums',
    replace: [['vec2(units[2u * expert], units[2u * expert + 1u])', 'vec2(0u, 0u)']],
  },
  {
    kernel: 'balance-loss',
    name: 'sum of the shares for their mean',
    spec: 'balance-loss',
    file: 'kernels/balance_loss',
    replace: [['float_div(float_from_u64(0u, -36, sum), parameters.tokens)', 'float_from_u64(0u, -36, sum)']],
  },
];
