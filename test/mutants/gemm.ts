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
    replace: [['sum2 += trunc((x$h.z * scale2) * y$h);', 'sum2 += floor((x$h.z * scale2) * y$h);']],
  },
  {
    kernel: 'gemm',
    name: 'alignment by rounding',
    spec: 'gemm',
    file: 'kernels/gemm_aligned_float',
    replace: [['sum2 += trunc((x$h.z * scale2) * y$h);', 'sum2 += round((x$h.z * scale2) * y$h);']],
  },
  {
    kernel: 'gemm',
    name: 'accumulator not aligned',
    spec: 'gemm',
    file: 'kernels/gemm_aligned_float',
    replace: [['var sum1 = trunc(powers(c1) * scale1);', 'var sum1 = powers(c1) * scale1;']],
  },
  {
    kernel: 'gemm',
    name: 'accumulator left out of the largest exponent',
    spec: 'gemm',
    file: 'kernels/gemm_aligned_float',
    replace: [['max(vec4<i32>(c3 & vec4(INFINITY_BITS)), vec4(LEAST_POWER))', 'vec4(LEAST_POWER)']],
  },
  {
    kernel: 'gemm',
    name: 'renormalized products',
    spec: 'gemm',
    file: 'kernels/gemm_aligned_float',
    replace: [
      [
        'top0 = max(top0, bitcast<vec4<i32>>(xp$h.x * yp$h));',
        'top0 = max(top0, bitcast<vec4<i32>>(powers(half$h(a_at(start.a, first + i - 1u))).x * powers(half$h(b_at(start.b, first + i - 1u)))) & vec4(0x7f800000));',
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
    replace: [['u32(OPERAND_BIAS)) << 23u, 0u, word == 0u)', 'u32(OPERAND_BIAS)) << 23u, 127u << 23u, word == 0u)']],
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
    name: 'NaN and Inf not looked for',
    spec: 'gemm-bits',
    file: 'kernels/gemm_aligned_float',
    replace: [['& SPECIAL_MARKS) != 0u || any_special(max_magnitudes(c))', '& SPECIAL_MARKS) == 2u']],
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
    replace: [['vec4(a_factor(row + i, k))', 'vec4(a_factor(row, k))']],
  },
  {
    kernel: 'gemm',
    name: 'power-of-two scale of the first row for all',
    spec: 'gemm-powers',
    file: 'kernels/gemm_promote_float',
    replace: [['vec4(a_factor(row + $ru, k))', 'vec4(a_factor(row, k))']],
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
    spec: 'gemm-f32',
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
    replace: [['if (group >= parameters.row_groups ||', 'if (group < 0xffffffffu ||']],
  },
];

/** Every mutant of every kernel. */
