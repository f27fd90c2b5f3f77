import type { Mutant } from './mutant.ts';

/** Wrong variants of dequantize. */
export const dequantize: readonly Mutant[] = [
  {
    kernel: 'dequantize',
    name: 'four at a time by a power of two, subnormal codes taken for usual ones',
    spec: 'dequantize-powers',
    file: 'kernels/dequantize_rows',
    replace: [['(magnitude < least) | (magnitude > largest)', 'magnitude > largest']],
  },
  {
    kernel: 'dequantize',
    name: 'four at a time by a power of two, the power left out',
    spec: 'dequantize-powers',
    file: 'kernels/dequantize_rows',
    replace: [['vec4(rise << 23u)', 'vec4((127 - INPUT_BIAS + 0 * rise) << 23u)']],
  },
  {
    kernel: 'dequantize',
    name: 'four at a time, ties rounded up',
    spec: 'dequantize-rows',
    file: 'kernels/dequantize_rows',
    replace: [['vec4(0x7fu) + (kept & vec4(1u))', 'vec4(0x80u)']],
  },
  {
    kernel: 'dequantize',
    name: 'four at a time, the sign of the scale lost',
    spec: 'dequantize-rows',
    file: 'kernels/dequantize_rows',
    replace: [[' ^ vec4(factor)) & vec4(SIGN_BIT)', ') & vec4(SIGN_BIT)']],
  },
  {
    kernel: 'dequantize',
    name: 'four at a time, subnormal codes read as normal',
    spec: 'dequantize-rows',
    file: 'kernels/dequantize_rows',
    replace: [['code_field > vec4(0u))', 'code_field >= vec4(0u))']],
  },
  {
    kernel: 'dequantize',
    name: 'four at a time, NaN codes taken for usual ones',
    spec: 'dequantize-rows',
    file: 'kernels/dequantize_rows',
    replace: [[' | (magnitude > vec4(u32(INPUT_MAX_CODE))));', ');']],
  },
  {
    kernel: 'dequantize',
    name: 'four at a time, the last piece of a row left out',
    spec: 'dequantize-rows',
    file: 'kernels/dequantize_rows',
    replace: [
      [
        'min(parameters.length, band.columns - column)',
        'min(parameters.length, (band.columns - column) / 128u * 128u)',
      ],
    ],
  },
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
