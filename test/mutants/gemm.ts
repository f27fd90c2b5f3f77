import type { Mutant } from './mutant.ts';

/** Where the parameters of the arithmetic stand among those of a gemm shader. */
const places = { combine: 17, fused: 18, fractionBits: 19, terms: 20, kept: 21 } as const;

/** A run-time parameter of the sums in floating point, wrong. */
export const arithmetic = (to: keyof typeof places, value: number): Pick<Mutant, 'parameter'> => ({
  parameter: { shader: 'kernels/gemm_aligned_float', to: places[to], value },
});

/** Wrong variants of gemm. */
export const gemm: readonly Mutant[] = [
  { kernel: 'gemm', name: '12 fraction bits', spec: 'gemm', ...arithmetic('fractionBits', 12) },
  { kernel: 'gemm', name: '14 fraction bits', spec: 'gemm', ...arithmetic('fractionBits', 14) },
  { kernel: 'gemm', name: 'sums of 16 products', spec: 'gemm', ...arithmetic('terms', 16) },
  { kernel: 'gemm', name: 'no cut of the output', spec: 'gemm', ...arithmetic('kept', 0xffffffff) },
  { kernel: 'gemm', name: 'output rounded to nearest', spec: 'gemm-blackwell', constants: { STEP_OUTPUT: 2 } },
  { kernel: 'gemm', name: 'promotion not fused', spec: 'gemm-f32', ...arithmetic('fused', 0) },
  { kernel: 'gemm', name: 'scales met in another order', spec: 'gemm-f32', ...arithmetic('combine', 1) },
  { kernel: 'gemm', name: 'C left out', spec: 'gemm-c', constants: { WITH_C: 0 } },
  {
    kernel: 'gemm',
    name: 'missing promotion',
    spec: 'gemm-unit-scales',
    parameter: { shader: 'kernels/gemm_aligned_float', from: 2, to: 3 },
  },
  {
    kernel: 'gemm',
    name: 'floor alignment',
    spec: 'gemm',
    file: 'kernels/gemm_aligned_float',
    replace: [['sum$x$r += trunc(', 'sum$x$r += floor(']],
  },
  {
    kernel: 'gemm',
    name: 'alignment by rounding',
    spec: 'gemm',
    file: 'kernels/gemm_aligned_float',
    replace: [['sum$x$r += trunc(', 'sum$x$r += round(']],
  },
  {
    kernel: 'gemm',
    name: 'accumulator not aligned',
    spec: 'gemm',
    file: 'kernels/gemm_aligned_float',
    replace: [['var sum$x$r = trunc(powers(c$x$r) * scale$x$r);', 'var sum$x$r = powers(c$x$r) * scale$x$r;']],
  },
  {
    kernel: 'gemm',
    name: 'accumulator left out of the largest exponent',
    spec: 'gemm',
    file: 'kernels/gemm_aligned_float',
    replace: [['max(vec4<i32>(c$x$r & vec4(INFINITY_BITS)), vec4(LEAST_POWER))', 'vec4(LEAST_POWER)']],
  },
  {
    kernel: 'gemm',
    name: 'renormalized products',
    spec: 'gemm',
    file: 'kernels/gemm_aligned_float',
    replace: [
      [
        'with_product(top$x$r, x$h$x[$r], y$h);',
        'renormalized(top$x$r, half$h(a_at(start.a ^ $xu, first + i - 1u))[$r], half$h(b_at(start.b, first + i - 1u)), x$h$x[$r], y$h);',
      ],
      [
        'fn fused_sum(',
        `fn renormalized(top: vec4<i32>, x: u32, y: vec4<u32>, x_power: u32, y_power: vec4<u32>) -> vec4<i32> {
  let significands = powers(vec4((x & 0x7fffffu) | ONE_BITS)) * powers((y & vec4(0x7fffffu)) | vec4(ONE_BITS));
  return with_product(top, x_power, select(y_power, y_power + y_power, significands >= vec4(2.0)));
}

fn fused_sum(`,
      ],
    ],
  },
  {
    kernel: 'gemm',
    name: 'renormalized products in integers',
    spec: 'gemm-blackwell',
    file: 'kernels/gemm_aligned',
    replace: [
      ['top = max(top, x + y);', 'top = max(top, renormalized(x, y));'],
      [
        'fn fused_sum(',
        `fn renormalized(x: vec4<u32>, y: vec4<u32>) -> vec4<u32> {
  let product = (x & vec4(OPERAND_SIGNIFICAND)) * (y & vec4(OPERAND_SIGNIFICAND));
  return x + y + ((product >> vec4(u32(i32(parameters.fraction_bits) - parameters.up + 1))) << vec4(16u));
}

fn fused_sum(`,
      ],
    ],
  },
  {
    kernel: 'gemm',
    name: 'zeros have the exponent of one',
    spec: 'gemm-sparse',
    file: 'kernels/gemm_operand',
    replace: [['select(bit, 0u, word == 0u)', 'bit']],
  },
  {
    kernel: 'gemm',
    name: 'zero products take part in the largest exponent',
    spec: 'gemm-sparse-f16',
    file: 'numerics/operand',
    replace: [['0u, significand == 0u);', '0u, false);']],
  },
  {
    kernel: 'gemm',
    name: 'subnormal operands read as normal',
    spec: 'gemm-sparse',
    file: 'numerics/operand',
    replace: [['select(0u, hidden, field > 0u)', 'hidden']],
  },
  {
    kernel: 'gemm',
    name: 'sign of B lost',
    spec: 'gemm-blackwell',
    file: 'kernels/gemm_aligned',
    replace: [['sign_masks(x ^ y)', 'sign_masks(x)']],
  },
  {
    kernel: 'gemm',
    name: 'NaN not looked for',
    spec: 'gemm-bits-e4m3',
    file: 'kernels/gemm_top_bit',
    replace: [['((vec4(x_marks) | y_marks) & vec4(SPECIAL_MARKS)) != vec4(0u)', 'vec4(false)']],
  },
  {
    kernel: 'gemm',
    name: 'NaN and Inf not looked for',
    spec: 'gemm-bits',
    file: 'kernels/gemm_top_power',
    replace: [['& SPECIAL_MARKS) != 0u || any_special(largest)', '& SPECIAL_MARKS) == 2u']],
  },
  {
    kernel: 'gemm',
    name: 'rows of another thread',
    spec: 'gemm',
    file: 'kernels/gemm_quad',
    replace: [['return quadSwapX(own);', 'return quadSwapY(own);']],
  },
  {
    kernel: 'gemm',
    name: 'sign of Inf lost',
    spec: 'gemm-specials',
    file: 'kernels/gemm_operand',
    replace: [['(word & OPERAND_SIGN) << 19u', '0u']],
  },
  {
    kernel: 'gemm',
    name: '0 * Inf gives Inf',
    spec: 'gemm-specials',
    file: 'kernels/gemm_special',
    replace: [['zero | ((either & vec4(OPERAND_NAN))', '((either & vec4(OPERAND_NAN))']],
  },
  {
    kernel: 'gemm',
    name: 'Inf - Inf gives Inf',
    spec: 'gemm-specials',
    file: 'kernels/gemm_special',
    replace: [['(state >= vec4(HAS_NAN)) | (state == vec4(HAS_PLUS | HAS_MINUS))', 'state >= vec4(HAS_NAN)']],
  },
  {
    kernel: 'gemm',
    name: 'last block dropped',
    spec: 'gemm',
    file: 'kernels/gemm_common',
    replace: [['while (word < parameters.last_word) {', 'while (word + block_words <= parameters.last_word) {']],
  },
  {
    kernel: 'gemm',
    name: 'scales of the next block',
    spec: 'gemm',
    file: 'kernels/gemm_parts',
    replace: [
      [
        'a_factors[index * parameters.a_grid_columns + k /',
        'a_factors[index * parameters.a_grid_columns + (k + parameters.block) /',
      ],
    ],
  },
  {
    kernel: 'gemm',
    name: 'scale of the first row for all',
    spec: 'gemm',
    file: 'kernels/gemm_promote_any',
    replace: [['vec4(a_factor(row ^ i, k))', 'vec4(a_factor((row ^ i) & ~3u, k))']],
  },
  {
    kernel: 'gemm',
    name: 'power-of-two scale of the first row for all',
    spec: 'gemm-powers',
    file: 'kernels/gemm_promote_float',
    replace: [['let sa = a_factor(row ^ i, k);', 'let sa = a_factor((row ^ i) & ~3u, k);']],
  },
  {
    kernel: 'gemm',
    name: 'power-of-two scales: ties away from even',
    spec: 'gemm-powers',
    file: 'kernels/gemm_promote_float',
    replace: [['half + odd + vec4(-1)', 'half + vec4(0) * odd']],
  },
  {
    kernel: 'gemm',
    name: 'power-of-two scales: what is cut off is lost',
    spec: 'gemm-powers',
    file: 'kernels/gemm_promote_float',
    replace: [['select(vec4(0), vec4(1), cut_a | cut_b)', 'vec4(0)']],
  },
  {
    kernel: 'gemm',
    name: 'other scales taken for powers of two',
    spec: 'gemm-odd-scales',
    file: 'kernels/gemm_promote_float',
    replace: [['vec4(SIGN_BIT | 0x7fffffu)) == vec4(0u)', 'vec4(SIGN_BIT)) == vec4(0u)']],
  },
  {
    kernel: 'gemm',
    name: 'scales counted from the start of the piece',
    spec: 'gemm-split',
    file: 'kernels/gemm_parts',
    replace: [['min(parameters.first_row + row, parameters.rows - 1u)', 'min(row, parameters.rows - 1u)']],
  },
  {
    kernel: 'gemm',
    name: 'last k of a ragged block dropped',
    spec: 'gemm',
    file: 'kernels/gemm_operand',
    replace: [['parameters.k - start);', 'parameters.k - start) - 1u;']],
  },
  {
    kernel: 'gemm',
    name: 'last row dropped',
    spec: 'gemm',
    file: 'kernels/gemm_operand',
    replace: [['row < parameters.rows)', 'row + 1u < parameters.rows)']],
  },
  {
    kernel: 'gemm',
    name: 'k in linear order where the instruction pairs it',
    spec: 'gemm-paired',
    constants: { PAIRED: 0 },
  },
  {
    kernel: 'gemm',
    name: 'carry between limbs lost',
    spec: 'gemm-blackwell',
    file: 'numerics/aligned_wide',
    replace: [['>> vec4(31u)) + carry;', '>> vec4(31u)) + (carry & vec4(0u));']],
  },
  {
    kernel: 'gemm',
    name: 'exact sum rounded without its lowest digits',
    spec: 'gemm-exact',
    file: 'kernels/gemm_exact',
    replace: [['(lower << 16u) | select(0u, 1u, rest != 0u)', '(lower & 0u) | select(0u, 1u, rest != rest)']],
  },
  {
    kernel: 'gemm',
    name: 'carry of the exact sum lost',
    spec: 'gemm-exact',
    file: 'kernels/gemm_exact',
    replace: [['carry = value >> vec4(16u);', 'carry = vec4(0);']],
  },
  {
    kernel: 'gemm',
    name: 'k descending',
    spec: 'gemm-sequential',
    file: 'kernels/gemm_sequential',
    replace: [
      [
        'float_fma(a_at(start.a, start.word + k)[start.row], b_at(start.b, start.word + k)[column], sum)',
        'float_fma(a_at(start.a, start.word + words - 1u - k)[start.row], b_at(start.b, start.word + words - 1u - k)[column], sum)',
      ],
    ],
  },
  {
    kernel: 'gemm',
    name: 'result truncated',
    spec: 'gemm',
    file: 'kernels/gemm_finish',
    replace: [['OUTPUT, NEAREST_EVEN, TO_INFINITY', 'OUTPUT, TOWARD_ZERO, TO_INFINITY']],
  },
  {
    kernel: 'gemm',
    name: 'all zeros',
    spec: 'gemm',
    file: 'kernels/gemm_finish',
    replace: [['d[word] = packed;', 'd[word] = packed & 0u;']],
  },
  {
    kernel: 'gemm',
    name: 'kernel does not run',
    spec: 'gemm',
    file: 'kernels/gemm_common',
    replace: [['if (least(column_group) >= parameters.column_groups ||', 'if (column_group < 0xffffffffu ||']],
  },
];

/** Every mutant of every kernel. */
