import type { KernelName } from '../../src/specs/types.ts';
import type { MutantSpecName } from './specs.ts';

/**
 * Deliberately wrong variants of the shaders. Each must be caught: on its spec, at least one element differs from the reference.
 * They are data, so that documentation and tools can list them.
 */
export interface Mutant {
  readonly kernel: KernelName;
  /** What is wrong, in the field's words. */
  readonly name: string;
  /** The small spec on which it must be seen; see specs.ts. */
  readonly spec: MutantSpecName;
  /** File under shaders/, without the ending, and the texts replaced in it; each must occur exactly once. */
  readonly file?: string;
  readonly replace?: readonly (readonly [find: string, by: string])[];
  /** Compile-time constants that dispatches get in place of their own. */
  readonly constants?: Readonly<Record<string, number>>;
  /** Run-time parameters: in dispatches of `shader`, parameter `to` takes the value of parameter `from`. */
  readonly parameter?: { readonly shader: string; readonly from: number; readonly to: number };
}

const quantize: readonly Mutant[] = [
  {
    kernel: 'quantize',
    name: 'amax of a partial tile',
    spec: 'quantize-ragged',
    file: 'kernels/amax',
    replace: [['row * band.columns + right; i++', 'row * band.columns + right - 1u; i++']],
  },
  {
    kernel: 'quantize',
    name: 'amax of the tile next to it',
    spec: 'quantize-ragged',
    file: 'kernels/amax',
    replace: [['  atomicMax(&amax[tile], largest);\n}\n', '  atomicMax(&amax[tile + 1u], largest);\n}\n']],
  },
  {
    kernel: 'quantize',
    name: 'signed maximum instead of amax',
    spec: 'quantize-ragged',
    file: 'kernels/amax',
    replace: [
      ['magnitude_of(input_lane(x[i >> INPUT_LANE_SHIFT], i), INPUT)', 'input_lane(x[i >> INPUT_LANE_SHIFT], i)'],
    ],
  },
  {
    kernel: 'quantize',
    name: 'scale of the neighbour tile',
    spec: 'quantize-ragged',
    file: 'kernels/quantize',
    replace: [['factors[tile_of(place, band)]', 'factors[tile_of(place, band) + 1u]']],
  },
  {
    kernel: 'quantize',
    name: 'floor of the scale exponent',
    spec: 'quantize-ragged',
    file: 'numerics/scale',
    replace: [
      [
        'max(ceil_exponent(float_div(amax, rule.max_bits)), -126)',
        'max(i32(float_div(amax, rule.max_bits) >> 23u) - 127, -126)',
      ],
    ],
  },
  {
    kernel: 'quantize',
    name: 'scale exponent one too large at a power of two',
    spec: 'quantize-ragged',
    file: 'numerics/scale',
    replace: [['select(0, 1, (bits & 0x7fffffu) != 0u)', '1']],
  },
  {
    kernel: 'quantize',
    name: 'no amax floor',
    spec: 'quantize-zeros',
    file: 'numerics/scale',
    replace: [['let floored = max(amax, rule.amax_floor);', 'let floored = amax;']],
  },
  {
    kernel: 'quantize',
    name: 'NaN and Inf do not mark their tile',
    spec: 'quantize-bits',
    file: 'numerics/scale',
    replace: [['if (amax >= INFINITY_BITS || tensor_scale == NAN_BITS) {', 'if (tensor_scale == NAN_BITS) {']],
  },
  {
    kernel: 'quantize',
    name: 'round half up',
    spec: 'quantize-ragged',
    file: 'numerics/encode',
    replace: [['return remainder > half || (remainder == half && (code & 1u) == 1u);', 'return remainder >= half;']],
  },
  {
    kernel: 'quantize',
    name: 'round toward zero',
    spec: 'quantize-ragged',
    file: 'numerics/encode',
    replace: [['return remainder > half || (remainder == half && (code & 1u) == 1u);', 'return false;']],
  },
  {
    kernel: 'quantize',
    name: 'subnormal codes flushed',
    spec: 'quantize-ragged',
    file: 'numerics/encode',
    replace: [['  if (shift > 24u) {', '  if (!normal) {\n    return 0u;\n  }\n  if (shift > 24u) {']],
  },
  {
    kernel: 'quantize',
    name: 'no saturation',
    spec: 'quantize-mx-floor',
    file: 'numerics/encode',
    replace: [['if (overflow == SATURATE) {', 'if (overflow == TO_INFINITY) {']],
  },
  {
    kernel: 'quantize',
    name: 'the sign of what rounds to zero is lost',
    spec: 'quantize-outliers',
    file: 'numerics/encode',
    replace: [
      [
        'return sign | encode_magnitude(magnitude, exponent, negative, format, rounding, overflow, random);',
        'let code = encode_magnitude(magnitude, exponent, negative, format, rounding, overflow, random);\n  return select(sign | code, 0u, code == 0u);',
      ],
    ],
  },
  {
    kernel: 'quantize',
    name: 'multiplies by the reciprocal where it should divide',
    spec: 'quantize-divide',
    file: 'kernels/quantize',
    replace: [['encode(float_div(bits, factor)', 'encode(float_mul(bits, float_div(ONE_BITS, factor))']],
  },
  {
    kernel: 'quantize',
    name: 'amax times the reciprocal of the largest value',
    spec: 'quantize-divide',
    file: 'numerics/scale',
    replace: [['return float_div(amax, max_bits);', 'return float_mul(amax, float_div(ONE_BITS, max_bits));']],
  },
  {
    kernel: 'quantize',
    name: 'random words by position in the band',
    spec: 'quantize-stochastic-split',
    file: 'kernels/quantize',
    replace: [['parameters.band.first_element + i', 'i']],
  },
  {
    kernel: 'quantize',
    name: 'tensor scale left out',
    spec: 'quantize-nvfp4',
    file: 'numerics/scale',
    replace: [['float_div(float_div(amax, 0x40c00000u), tensor_scale)', 'float_div(amax, 0x40c00000u)']],
  },
  {
    kernel: 'quantize',
    name: 'off by one at a ragged end',
    spec: 'quantize-ragged',
    file: 'kernels/quantize',
    replace: [['min(first + OUTPUT_LANES, band.count)', 'min(first + OUTPUT_LANES, band.count - 1u)']],
  },
  {
    kernel: 'quantize',
    name: 'last word dropped',
    spec: 'quantize-ragged',
    file: 'kernels/quantize',
    replace: [['if (first >= band.count) {', 'if (first + OUTPUT_LANES >= band.count) {']],
  },
  {
    kernel: 'quantize',
    name: 'all zeros',
    spec: 'quantize-ragged',
    file: 'kernels/quantize',
    replace: [['codes[word] = packed;', 'codes[word] = packed & 0u;']],
  },
  {
    kernel: 'quantize',
    name: 'kernel does not run',
    spec: 'quantize-ragged',
    file: 'kernels/quantize',
    replace: [['if (first >= band.count) {', 'if (first < 0xffffffffu) {']],
  },
];

const dequantize: readonly Mutant[] = [
  {
    kernel: 'dequantize',
    name: 'scale of the neighbour tile',
    spec: 'dequantize-ragged',
    file: 'kernels/dequantize',
    replace: [['factors[tile_of(place, band)]', 'factors[tile_of(place, band) + 1u]']],
  },
  {
    kernel: 'dequantize',
    name: 'scale left out',
    spec: 'dequantize-ragged',
    file: 'kernels/dequantize',
    replace: [
      [
        'float_mul(bits, factors[tile_of(place, band)])',
        'float_mul(bits, min(factors[tile_of(place, band)], 0u) + 0x3f800000u)',
      ],
    ],
  },
  {
    kernel: 'dequantize',
    name: 'result truncated',
    spec: 'dequantize-ragged',
    file: 'kernels/dequantize',
    replace: [['OUTPUT, NEAREST_EVEN, TO_INFINITY', 'OUTPUT, TOWARD_ZERO, TO_INFINITY']],
  },
  {
    kernel: 'dequantize',
    name: 'result saturated',
    spec: 'dequantize-bits',
    file: 'kernels/dequantize',
    replace: [['OUTPUT, NEAREST_EVEN, TO_INFINITY', 'OUTPUT, NEAREST_EVEN, SATURATE']],
  },
  {
    kernel: 'dequantize',
    name: 'subnormal codes decode to zero',
    spec: 'dequantize-bits',
    file: 'numerics/decode',
    replace: [['if (code == 0u && !is_scale) {', 'if ((code >> format.mantissa_bits) == 0u && !is_scale) {']],
  },
  {
    kernel: 'dequantize',
    name: 'NaN codes decode to a number',
    spec: 'dequantize-bits',
    file: 'numerics/decode',
    replace: [['if (is_nan_code(code, format)) {', 'if (is_nan_code(code, format) && code == 0u) {']],
  },
  {
    kernel: 'dequantize',
    name: 'last element dropped',
    spec: 'dequantize-ragged',
    file: 'kernels/dequantize',
    replace: [['min(first + OUTPUT_LANES, band.count)', 'min(first + OUTPUT_LANES, band.count - 1u)']],
  },
  {
    kernel: 'dequantize',
    name: 'all zeros',
    spec: 'dequantize-ragged',
    file: 'kernels/dequantize',
    replace: [['x[word] = packed;', 'x[word] = packed & 0u;']],
  },
  {
    kernel: 'dequantize',
    name: 'kernel does not run',
    spec: 'dequantize-ragged',
    file: 'kernels/dequantize',
    replace: [['if (first >= band.count) {', 'if (first < 0xffffffffu) {']],
  },
];

const requantize: readonly Mutant[] = [
  {
    kernel: 'requantize',
    name: 'tiles counted from the start of the band',
    spec: 'requantize-split',
    file: 'kernels/tile',
    replace: [['(band.first_row + place.row) / band.tile_rows', 'place.row / band.tile_rows']],
  },
  {
    kernel: 'requantize',
    name: 'amax of a partial tile',
    spec: 'requantize',
    file: 'kernels/amax',
    replace: [
      [
        'let bottom = min(top + parameters.block_rows, band.rows);',
        'let bottom = min(top + parameters.block_rows, band.rows) - 1u;',
      ],
    ],
  },
  {
    kernel: 'requantize',
    name: 'amax kept across a tile border',
    spec: 'requantize-small-tiles',
    file: 'kernels/amax',
    replace: [['      tile = here;\n      largest = 0u;\n', '      tile = here;\n']],
  },
  {
    kernel: 'requantize',
    name: 'codes copied without their first scale',
    spec: 'requantize',
    file: 'kernels/dequantize',
    replace: [
      [
        'float_mul(bits, factors[tile_of(place, band)])',
        'float_mul(bits, min(factors[tile_of(place, band)], 0u) + 0x3f800000u)',
      ],
    ],
  },
  {
    kernel: 'requantize',
    name: 'floor of the scale exponent',
    spec: 'requantize',
    file: 'numerics/scale',
    replace: [
      [
        'max(ceil_exponent(float_div(amax, rule.max_bits)), -126)',
        'max(i32(float_div(amax, rule.max_bits) >> 23u) - 127, -126)',
      ],
    ],
  },
  {
    kernel: 'requantize',
    name: 'all zeros',
    spec: 'requantize',
    file: 'kernels/quantize',
    replace: [['codes[word] = packed;', 'codes[word] = packed & 0u;']],
  },
];

const gemm: readonly Mutant[] = [
  { kernel: 'gemm', name: '12 fraction bits', spec: 'gemm', constants: { FRACTION_BITS: 12 } },
  { kernel: 'gemm', name: '14 fraction bits', spec: 'gemm', constants: { FRACTION_BITS: 14 } },
  { kernel: 'gemm', name: 'sums of 16 products', spec: 'gemm', constants: { TERMS: 16 } },
  { kernel: 'gemm', name: 'no cut of the output', spec: 'gemm', constants: { STEP_OUTPUT: 1 } },
  { kernel: 'gemm', name: 'output rounded to nearest', spec: 'gemm-blackwell', constants: { STEP_OUTPUT: 2 } },
  { kernel: 'gemm', name: 'promotion not fused', spec: 'gemm-f32', constants: { FUSED: 0 } },
  { kernel: 'gemm', name: 'scales met in another order', spec: 'gemm-f32', constants: { COMBINE: 1 } },
  { kernel: 'gemm', name: 'C left out', spec: 'gemm-c', constants: { WITH_C: 0 } },
  {
    kernel: 'gemm',
    name: 'missing promotion',
    spec: 'gemm-unit-scales',
    parameter: { shader: 'kernels/gemm_aligned', from: 2, to: 3 },
  },
  {
    kernel: 'gemm',
    name: 'floor alignment',
    spec: 'gemm',
    file: 'numerics/aligned_narrow',
    replace: [
      [
        'return ((magnitude >> distance) ^ mask) - mask;',
        'return vec4<u32>(vec4<i32>((magnitude ^ mask) - mask) >> distance);',
      ],
    ],
  },
  {
    kernel: 'gemm',
    name: 'renormalized products',
    spec: 'gemm',
    file: 'kernels/gemm_aligned',
    replace: [
      ['top0 = max(top0, vec4(x.x) + y);', 'top0 = max(top0, renormalized(x.x, y));'],
      [
        'fn any_special(',
        `fn renormalized(x: u32, y: vec4<u32>) -> vec4<u32> {
  let product = vec4(x & OPERAND_SIGNIFICAND) * (y & vec4(OPERAND_SIGNIFICAND));
  return vec4(x) + y + ((product >> vec4(u32(A_MANTISSA_BITS + B_MANTISSA_BITS + 1))) << vec4(16u));
}

fn any_special(`,
      ],
    ],
  },
  {
    kernel: 'gemm',
    name: 'zero products take part in the largest exponent',
    spec: 'gemm-sparse',
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
    spec: 'gemm',
    file: 'kernels/gemm_aligned',
    replace: [['let ym = sign_masks(y);', 'let ym = sign_masks(y & vec4(0u));']],
  },
  {
    kernel: 'gemm',
    name: 'NaN and Inf not looked for',
    spec: 'gemm-bits',
    file: 'kernels/gemm_aligned',
    replace: [['& OPERAND_SPECIAL) != 0u || any_special(c)', '& OPERAND_SPECIAL) == 1u']],
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
    file: 'kernels/gemm_common',
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
    file: 'kernels/gemm_common',
    replace: [['let sa = a_factor(row + i, k);', 'let sa = a_factor(row, k);']],
  },
  {
    kernel: 'gemm',
    name: 'scales counted from the start of the piece',
    spec: 'gemm-split',
    file: 'kernels/gemm_common',
    replace: [['min(parameters.first_row + row, parameters.rows - 1u)', 'min(row, parameters.rows - 1u)']],
  },
  {
    kernel: 'gemm',
    name: 'last k of a ragged block dropped',
    spec: 'gemm',
    file: 'kernels/gemm_operand',
    replace: [['let inside = within < min(', 'let inside = within + 1u < min(']],
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
        'float_fma(a[start.a + k][row], b[start.b + k][column], sum)',
        'float_fma(a[start.a + words - 1u - k][row], b[start.b + words - 1u - k][column], sum)',
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
    replace: [['if (group >= parameters.row_groups) {', 'if (group < 0xffffffffu) {']],
  },
];

/** Every mutant of every kernel. */
export const mutants: readonly Mutant[] = [...quantize, ...dequantize, ...requantize, ...gemm];
