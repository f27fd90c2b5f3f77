import type { Mutant } from './mutant.ts';

/** Wrong variants of permute. */
export const permute: readonly Mutant[] = [
  {
    kernel: 'permute',
    name: 'rank counted from the slot itself on',
    spec: 'permute',
    file: 'kernels/permute_count',
    replace: [['ranks[slot] = before;', 'ranks[slot] = before + 1u;']],
  },
  {
    kernel: 'permute',
    name: 'slots of a block taken from its end',
    spec: 'permute',
    file: 'kernels/permute_count',
    replace: [
      ['for (var slot = first; slot < last; slot++) {', 'for (var slot = last; slot > first; ) {\n    slot--;'],
    ],
  },
  {
    kernel: 'permute',
    name: 'the last slot of a block left out',
    spec: 'permute',
    file: 'kernels/permute_count',
    replace: [
      ['min(first + parameters.block, parameters.slots)', 'min(first + parameters.block - 1u, parameters.slots)'],
    ],
  },
  {
    kernel: 'permute',
    name: 'blocks counted from the start of the band',
    spec: 'permute-split',
    file: 'kernels/permute_count',
    replace: [['(parameters.first_block + thread) * parameters.experts', 'thread * parameters.experts']],
  },
  {
    kernel: 'permute',
    name: 'earlier blocks forgotten',
    spec: 'permute',
    file: 'kernels/permute_rows',
    replace: [['let base = bases[block * parameters.block_step + expert * parameters.expert_step];', 'let base = 0u;']],
  },
  {
    kernel: 'permute',
    name: 'counters of 16 bits',
    spec: 'permute-many',
    file: 'kernels/permute_sum',
    replace: [['sum += count;', 'sum = (sum + count) & 0xffffu;']],
  },
  {
    kernel: 'permute',
    name: 'experts side by side, without alignment',
    spec: 'permute',
    file: 'kernels/permute_offsets',
    replace: [
      [
        'let aligned = (counts[expert] + parameters.alignment - 1u) / parameters.alignment * parameters.alignment;',
        'let aligned = counts[expert];',
      ],
    ],
  },
  {
    kernel: 'permute',
    name: 'masked slots sent to expert 0',
    spec: 'permute',
    file: 'kernels/permute_rows',
    replace: [['    rows[slot] = NOWHERE;', '    rows[slot] = offsets[0];']],
  },
  {
    kernel: 'permute',
    name: 'slots counted from the start of the band',
    spec: 'permute-split',
    file: 'kernels/permute_invert',
    replace: [['parameters.first_slot + slot', 'slot']],
  },
  {
    kernel: 'permute',
    name: 'padding rows of the first slot',
    spec: 'permute',
    file: 'kernels/fill',
    replace: [['destination[i] = parameters.value;', 'destination[i] = parameters.value & 0u;']],
  },
  {
    kernel: 'permute',
    name: 'the slot taken for the token',
    spec: 'permute-words',
    file: 'kernels/gather_words',
    replace: [['slot / parameters.topk - parameters.first_token', 'slot - parameters.first_token']],
  },
  {
    kernel: 'permute',
    name: 'the last words of a row left out',
    spec: 'permute-words',
    file: 'kernels/gather_words',
    replace: [['i < parameters.width;', 'i < parameters.width - 1u;']],
  },
  {
    kernel: 'permute',
    name: 'the last quad of a long row left out',
    spec: 'permute-long',
    file: 'kernels/gather_quads',
    replace: [['i < parameters.width;', 'i < parameters.width - 1u;']],
  },
  {
    kernel: 'permute',
    name: 'tokens of other bands taken for this one',
    spec: 'permute-split',
    file: 'kernels/gather_lanes',
    replace: [['slot / parameters.topk - parameters.first_token', 'slot / parameters.topk']],
  },
  {
    kernel: 'permute',
    name: 'padding that holds token 0',
    spec: 'permute',
    file: 'kernels/gather_lanes',
    replace: [
      [
        'if (slot == NOWHERE || token >= parameters.tokens) {\n    return 0u;\n  }\n  let i = token *',
        'let i = select(token, 0u, slot == NOWHERE) *',
      ],
    ],
  },
];

/** Wrong variants of unpermute. */
export const unpermute: readonly Mutant[] = [
  {
    kernel: 'unpermute',
    name: 'slots summed from the last on',
    spec: 'unpermute',
    file: 'kernels/unpermute',
    replace: [
      [
        'for (var slot = token * parameters.topk; slot < (token + 1u) * parameters.topk; slot++) {',
        'for (var slot = (token + 1u) * parameters.topk; slot > token * parameters.topk; ) {\n    slot--;',
      ],
    ],
  },
  {
    kernel: 'unpermute',
    name: 'weight of the next slot',
    spec: 'unpermute',
    file: 'kernels/unpermute',
    replace: [['float_fma(value, weights[slot], sum)', 'float_fma(value, weights[slot + 1u], sum)']],
  },
  {
    kernel: 'unpermute',
    name: 'weights forgotten',
    spec: 'unpermute',
    constants: { WEIGHTED: 0 },
  },
  {
    kernel: 'unpermute',
    name: 'the product rounded before it is added',
    spec: 'unpermute',
    file: 'kernels/unpermute',
    replace: [['float_fma(value, weights[slot], sum)', 'float_add(float_mul(value, weights[slot]), sum)']],
  },
  {
    kernel: 'unpermute',
    name: 'the last slot left out',
    spec: 'unpermute',
    file: 'kernels/unpermute',
    replace: [['slot < (token + 1u) * parameters.topk;', 'slot + 1u < (token + 1u) * parameters.topk;']],
  },
  {
    kernel: 'unpermute',
    name: 'masked slots taken from the first row',
    spec: 'unpermute',
    file: 'kernels/unpermute',
    replace: [
      [
        'let row = slot_to_row[slot];',
        'let found = slot_to_row[slot];\n    let row = select(found, 0u, found == NOWHERE);',
      ],
    ],
  },
  {
    kernel: 'unpermute',
    name: 'rounded after every slot',
    spec: 'unpermute',
    file: 'kernels/unpermute',
    replace: [['weights[slot], sum);', 'weights[slot], sum) & 0xffff0000u;']],
  },
  {
    kernel: 'unpermute',
    name: 'all zeros',
    spec: 'unpermute',
    file: 'kernels/unpermute',
    replace: [['sums[word] = packed;', 'sums[word] = packed & 0u;']],
  },
];
