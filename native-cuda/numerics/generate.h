#pragma once
// Inputs from a seed, of integers: docs/numerics.md, "Inputs". The twin of src/tensors/generate.ts.

#include "codec.h"
#include "philox.h"

namespace fp8lab {

enum class Generator : u8 { uniform, positive, normal, outlier_channels, outlier_tokens, near_ties, bits, zero, saturating, subnormal };

/** A generated input: element i depends on the seed and i alone, and for outliers on its row and column. */
struct GeneratedInput {
  Generator generator;
  u32 seed;
  FormatId dtype;
  i32 exponent;
  double share;
  i32 factor_exponent;
};

/** 2^exponent as a double, clamped to where a double still multiplies exactly; past 400 every value is zero or Inf as an f32 anyway. */
FP8LAB_HD double power_of_two(i32 exponent) { return bits_double(static_cast<u64>(1023 + least(most(exponent, -400), 400)) << 52); }

/** Whether the row or column `line` is scaled up. */
FP8LAB_HD bool is_outlier(const GeneratedInput& input, u64 line) {
  return philox_word(input.seed, line, stream_outliers) < input.share * 4294967296.0;
}

/** The f32 of `normal` before its 2^-26: w holds the element's words of the streams 0, 2, 3 and 4. */
FP8LAB_HD float normal_integer(u32 w0, u32 w2, u32 w3, u32 w4) {
  const u32 sum = (w0 & 0xffff) + (w0 >> 16) + (w2 & 0xffff) + (w2 >> 16) + (w3 & 0xffff) + (w3 >> 16) + (w4 & 0xffff) + (w4 >> 16);
  return static_cast<float>((static_cast<i32>(sum) - 4 * 65536 + 4) * 1254);
}

/** The integer of `near-ties` before its 2^-22. */
FP8LAB_HD i32 near_tie_integer(u32 word) {
  const i32 beside = (word & 3) == 3 ? 0 : static_cast<i32>(word & 3) - 1;
  return ((static_cast<i32>(word >> 27) - 16) << 19) + beside;
}

/** Whether a generator cuts codes from the word: those ignore the exponent. */
FP8LAB_HD constexpr bool cuts_codes(Generator generator) {
  return generator == Generator::bits || generator == Generator::saturating || generator == Generator::subnormal;
}

/** The code of a generator that cuts codes from the word. */
FP8LAB_HD u32 code_of_word(const GeneratedInput& input, u32 word) {
  const Format format = format_of(input.dtype);
  const u32 sign = word >> 31;
  if (input.generator == Generator::bits) return word >> (32 - format.bits);
  if (input.generator == Generator::subnormal) return (sign << (format.bits - 1)) | (word & ((1u << format.mantissa_bits) - 1));
  const u32 top = (word >> 30) & 1;
  if (input.dtype == FormatId::f16) return (sign << 15) | ((29 + top) << 10) | (word & 0x3ff);
  const u32 bits = (word & 0x80000000u) | ((253 + top) << 23) | (word & 0x7fffff);
  return input.dtype == FormatId::bf16 ? bits >> 16 : bits;
}

/** The f32 of `value` times 2^exponent (as a double), rounded once, encoded as the dtype. */
FP8LAB_HD u32 code_of_value(const GeneratedInput& input, double value, double scale) {
  const u32 bits = float_bits(static_cast<float>(value * scale));
  return input.dtype == FormatId::f32 && (bits & magnitude_mask) < inf_bits
             ? bits
             : encode(bits, format_of(input.dtype), Rounding::nearest_even, Overflow::saturate);
}

/** The exponent an element takes: the input's, and an outlier's factor. */
FP8LAB_HD i32 element_exponent(const GeneratedInput& input, u64 index, u64 columns) {
  if (input.generator != Generator::outlier_channels && input.generator != Generator::outlier_tokens) return input.exponent;
  const u64 line = input.generator == Generator::outlier_channels ? index % columns : index / columns;
  return is_outlier(input, line) ? input.exponent + input.factor_exponent : input.exponent;
}

/** The code of element `index` (row-major) of a tensor with `columns` columns. */
FP8LAB_HD u32 generated_code(const GeneratedInput& input, u64 index, u64 columns) {
  if (input.generator == Generator::zero) return 0;
  const u32 word = philox_word(input.seed, index, stream_values);
  if (cuts_codes(input.generator)) return code_of_word(input, word);
  const double scale = power_of_two(element_exponent(input, index, columns));
  if (input.generator == Generator::uniform) {
    return code_of_value(input, static_cast<i32>(word >> 8) - 8388608, scale / 8388608.0);
  }
  if (input.generator == Generator::positive) return code_of_value(input, word >> 8, scale / 16777216.0);
  if (input.generator == Generator::near_ties) return code_of_value(input, near_tie_integer(word), scale / 4194304.0);
  const float integer = normal_integer(word, philox_word(input.seed, index, stream_normal2), philox_word(input.seed, index, stream_normal3),
                                       philox_word(input.seed, index, stream_normal4));
  return code_of_value(input, integer, scale / 67108864.0);
}

}  // namespace fp8lab
