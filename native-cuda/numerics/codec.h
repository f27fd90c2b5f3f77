#pragma once
// Codes from f32 bits and back: docs/numerics.md, "Encoding f32". The twin of src/numerics/codec.ts.

#include "f32.h"
#include "formats.h"

namespace fp8lab {

/** A code without its sign bit. */
FP8LAB_HD u32 magnitude_of(u32 code, const Format& format) { return format.sign_bits == 0 ? code : code & ((1u << (format.bits - 1)) - 1); }

/** Whether a code is a NaN of the format. */
FP8LAB_HD bool is_nan_code(u32 code, const Format& format) {
  const u32 magnitude = magnitude_of(code, format);
  switch (format.specials) {
    case Specials::ieee: return magnitude > static_cast<u32>(format.inf_code);
    case Specials::fn: return magnitude == static_cast<u32>(format.nan_code);
    case Specials::fnuz:
    case Specials::scale: return code == static_cast<u32>(format.nan_code);
    case Specials::finite: return false;
  }
  return false;
}

/** Whether a code is +Inf or -Inf. */
FP8LAB_HD bool is_inf_code(u32 code, const Format& format) {
  return format.inf_code >= 0 && magnitude_of(code, format) == static_cast<u32>(format.inf_code);
}

/** What stands for a magnitude past the largest finite code. */
FP8LAB_HD u32 overflow_code(const Format& format, Overflow overflow) {
  if (overflow == Overflow::saturate) return format.max_code;
  if (format.inf_code >= 0) return static_cast<u32>(format.inf_code);
  return format.nan_code >= 0 ? static_cast<u32>(format.nan_code) : format.max_code;
}

/** Whether a magnitude `remainder` / 2^shift of a step past `code` goes to the next code. */
FP8LAB_HD bool rounds_up(u32 code, u32 remainder, int shift, bool negative, Rounding rounding, u32 random) {
  if (remainder == 0) return false;
  const u32 half = 1u << (shift - 1);
  switch (rounding) {
    case Rounding::nearest_even: return remainder > half || (remainder == half && (code & 1) == 1);
    case Rounding::nearest_away: return remainder >= half;
    case Rounding::toward_zero: return false;
    case Rounding::toward_positive: return !negative;
    case Rounding::toward_negative: return negative;
    case Rounding::to_odd: return (code & 1) == 0;
    case Rounding::stochastic: return remainder + (random >> (32 - shift)) >= (1u << shift);
  }
  return false;
}

/** Whether a magnitude significand / 2^shift of the least code, below half of it (shift > 24), goes up to that code. */
FP8LAB_HD bool rounds_up_from_zero(u32 significand, int shift, bool negative, Rounding rounding, u32 random) {
  switch (rounding) {
    case Rounding::toward_positive: return !negative;
    case Rounding::toward_negative: return negative;
    case Rounding::to_odd: return true;
    case Rounding::stochastic: return (random >> 8) < (significand >> least(shift - 24, 24));
    default: return false;
  }
}

/** Whether a rounding can pass the largest finite code; those that cannot stop there under either overflow rule. */
FP8LAB_HD bool reaches_infinity(Rounding rounding, bool negative) {
  switch (rounding) {
    case Rounding::toward_zero:
    case Rounding::to_odd: return false;
    case Rounding::toward_positive: return !negative;
    case Rounding::toward_negative: return negative;
    default: return true;
  }
}

/** Rounds significand * 2^(biased - bias - 23) to a code that may pass the largest one by a step. */
FP8LAB_HD u32 round_magnitude(u32 significand, int biased, bool negative, const Format& format, Rounding rounding, u32 random) {
  // e8m0 has no subnormals and no zero: all below 2^-127 is its least code.
  const bool is_scale = format.specials == Specials::scale;
  if (is_scale && biased < 0) return 0;
  const bool normal = is_scale || biased >= 1;
  const int shift = normal ? 23 - format.mantissa_bits : 24 - format.mantissa_bits - biased;
  if (shift > 24) return rounds_up_from_zero(significand, shift, negative, rounding, random) ? 1 : 0;
  // The leading one of a normal significand adds itself to the exponent field.
  const i32 base = normal ? (biased - 1) * (1 << format.mantissa_bits) : 0;
  const u32 code = static_cast<u32>(base) + (significand >> shift);
  const u32 remainder = significand & ((1u << shift) - 1);
  return rounds_up(code, remainder, shift, negative, rounding, random) ? code + 1 : code;
}

/** Code, sign clear, of a finite magnitude times 2^exponent. */
FP8LAB_HD u32 encode_magnitude(u32 magnitude, int exponent, bool negative, const Format& format, Rounding rounding, Overflow overflow,
                               u32 random) {
  if (magnitude == 0) return 0;
  // significand in [2^23, 2^24); the value is significand * 2^(biased - bias - 23).
  const int zeros = most(leading_zeros(magnitude) - 8, 0);
  const bool subnormal = (magnitude >> 23) == 0;
  const u32 significand = subnormal ? magnitude << zeros : (magnitude & 0x7fffffu) | 0x800000u;
  const int source_exponent = subnormal ? 1 - zeros : static_cast<int>(magnitude >> 23);
  const int biased = source_exponent - 127 + exponent + format.bias;
  const u32 code = biased >= (1 << format.exponent_bits) ? format.max_code + 1
                                                         : round_magnitude(significand, biased, negative, format, rounding, random);
  if (code <= format.max_code) return code;
  return reaches_infinity(rounding, negative) ? overflow_code(format, overflow) : format.max_code;
}

/**
 * The code of (the f32 with these bits) * 2^exponent, rounded once from the exact product. `random` is the element's 32 random bits,
 * for stochastic rounding alone. The pair of format and overflow is taken as checked.
 */
FP8LAB_HD u32 encode_scaled(u32 bits, int exponent, const Format& format, Rounding rounding, Overflow overflow, u32 random = 0) {
  const u32 magnitude = bits & magnitude_mask;
  if (magnitude > inf_bits) return format.nan_code >= 0 ? static_cast<u32>(format.nan_code) : format.max_code;
  const bool negative = format.sign_bits == 1 && (bits >> 31) == 1;
  const u32 code = magnitude == inf_bits ? overflow_code(format, overflow)
                                         : encode_magnitude(magnitude, exponent, negative, format, rounding, overflow, random);
  return negative ? code | (1u << (format.bits - 1)) : code;
}

/** The code of the f32 with these bits. */
FP8LAB_HD u32 encode(u32 bits, const Format& format, Rounding rounding, Overflow overflow, u32 random = 0) {
  return encode_scaled(bits, 0, format, rounding, overflow, random);
}

/** f32 bits of a finite magnitude's code. */
FP8LAB_HD u32 decode_magnitude(u32 code, const Format& format) {
  const int field = static_cast<int>(code >> format.mantissa_bits);
  const u32 mantissa = code & ((1u << format.mantissa_bits) - 1);
  const bool is_scale = format.specials == Specials::scale;
  if (field == 0 && mantissa == 0 && !is_scale) return 0;
  // significand * 2^exponent, normalized so that the significand has 24 bits.
  const u32 whole = field == 0 && !is_scale ? mantissa : mantissa | (1u << format.mantissa_bits);
  const int zeros = leading_zeros(whole) - 8;
  const u32 significand = whole << zeros;
  const int biased = most(field, is_scale ? 0 : 1) - format.bias - format.mantissa_bits - zeros + 23 + 127;
  // Only e8m0's 2^-127, bf16's and f32's subnormals lie below the least normal f32; each has the bits to spare.
  return biased >= 1 ? (static_cast<u32>(biased - 1) << 23) + significand : significand >> (1 - biased);
}

/** f32 bits of a code: exact in every format; NaN gives 0x7FFFFFFF. */
FP8LAB_HD u32 decode(u32 code, const Format& format) {
  if (is_nan_code(code, format)) return nan_bits;
  const u32 magnitude = magnitude_of(code, format);
  const u32 sign = magnitude == code ? 0 : 0x80000000u;
  if (is_inf_code(code, format)) return sign | inf_bits;
  return sign | decode_magnitude(magnitude, format);
}

}  // namespace fp8lab
