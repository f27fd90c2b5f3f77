#pragma once
// exp, log1p and what follows from them, as docs/numerics.md ("Functions") pins them: in integers, the same bits on host and device. The
// twin of src/numerics/exp.ts. Arguments and results are f32 bits.

#include "f32.h"

#if !defined(__CUDA_ARCH__)
#include <cmath>
#endif

namespace fp8lab {

/** A positive number: significand * 2^(exponent - 31), significand in [2^31, 2^32). */
struct Power {
  u32 significand;
  i32 exponent;
};

namespace pinned {

/** log2(e) - 1 and ln(2), 64 bits behind the point. */
inline constexpr u32 log2_e_high = 0x71547652u, log2_e_low = 0xb82fe177u;
inline constexpr u32 ln_2_high = 0xb17217f7u, ln_2_low = 0xd1cf79abu;
/** From |x| = 128 on, exp is past both ends of f32. */
inline constexpr u32 past_exp = 0x43000000u;
inline constexpr u32 top_bit = 0x80000000u;

/** floor(value / 2^count); 0 from 32 on. */
FP8LAB_HD u32 shift_right(u32 value, i32 count) { return count > 31 ? 0 : value >> count; }

/** The f32 nearest to value * 2^exponent: the product is exact in a double, past 53 bits with a last bit that stands for what it lacks. */
FP8LAB_HD u32 pack(u64 value, i32 exponent) {
  if (value >> 53 != 0) {
    value = value >> 11 | ((value & 0x7ff) != 0 ? 1 : 0);
    exponent += 11;
  }
  const double scaled = static_cast<double>(value) * bits_double(static_cast<u64>(exponent + 1023) << 52);
#if defined(__CUDA_ARCH__)
  return float_bits(__double2float_rn(scaled));
#else
  return float_bits(static_cast<float>(scaled));
#endif
}

FP8LAB_HD Power normalized(u32 value, i32 exponent) {
  const int zeros = leading_zeros(value);
  return {value << zeros, exponent + 31 - zeros};
}

/** The magnitude of a finite f32 that is not zero. */
FP8LAB_HD Power magnitude_of(u32 bits) {
  const i32 field = static_cast<i32>(bits >> 23 & 0xff);
  const u32 fraction = bits & 0x7fffffu;
  return field == 0 ? normalized(fraction, -149) : normalized(fraction | 0x800000u, field - 150);
}

/** A finite magnitude below 128 in units of 2^-32, cut. */
FP8LAB_HD u64 fixed_point(u32 magnitude) {
  if (magnitude == 0) return 0;
  const Power x = magnitude_of(magnitude);
  const i32 shift = x.exponent + 1;
  return shift < 0 ? shift_right(x.significand, -shift) : static_cast<u64>(x.significand) << shift;
}

/** e^x of a finite |x| < 128. */
FP8LAB_HD Power power_of_e(u32 magnitude, bool negative) {
  const u64 scaled = fixed_point(magnitude);
  const u32 whole = static_cast<u32>(scaled >> 32), part = static_cast<u32>(scaled);
  u64 product = scaled + static_cast<u64>(whole) * log2_e_high;
  product += multiply_high(whole, log2_e_low);
  product += multiply_high(part, log2_e_high);
  if (negative) product = 0 - product;
  const u32 fraction = static_cast<u32>(product);
  u32 sum = 0x15bd2u;
  sum = 0x99316u + multiply_high(sum, fraction);
  sum = 0x57bf1au + multiply_high(sum, fraction);
  sum = 0x2763464u + multiply_high(sum, fraction);
  sum = 0xe3589f8u + multiply_high(sum, fraction);
  sum = 0x3d7f7ba5u + multiply_high(sum, fraction);
  sum = 0xb17217f8u + multiply_high(sum, fraction);
  return {top_bit + (multiply_high(sum, fraction) >> 1), static_cast<i32>(product >> 32)};
}

/** ln(1 +- t) as 2 atanh(t / (2 +- t)): the magnitude is the result times 2^(t.exponent - 30). */
FP8LAB_HD u32 log_of_one_plus(Power t, bool negative) {
  const u32 part = shift_right(t.significand, 1 - t.exponent);
  const u32 divisor = negative ? top_bit - part : top_bit + part;
  const u32 quotient = static_cast<u32>((static_cast<u64>(t.significand) << 30) / divisor);
  const u32 s = t.exponent == 0 ? quotient << 1 : shift_right(quotient, -t.exponent - 1);
  const u32 square = multiply_high(s, s);
  u32 sum = 0x1dba25f0u;
  sum = 0x1bc8cf8du + multiply_high(sum, square);
  sum = 0x249924d4u + multiply_high(sum, square);
  sum = 0x33331a90u + multiply_high(sum, square);
  sum = 0x55555563u + multiply_high(sum, square);
  return quotient + multiply_high(quotient, multiply_high(square, sum));
}

/** ln(1 + t) in units of 2^-32, cut. */
FP8LAB_HD u32 fixed_log_of_one_plus(Power t) {
  const u32 log = log_of_one_plus(t, false);
  const i32 shift = t.exponent + 2;
  return shift >= 0 ? log << shift : shift_right(log, -shift);
}

/** The magnitude of the natural logarithm of a number whose exponent is not 0, in units of 2^-32. */
FP8LAB_HD u64 fixed_log(Power x) {
  const u32 count = static_cast<u32>(x.exponent < 0 ? -x.exponent : x.exponent);
  const u64 whole = static_cast<u64>(count) * ln_2_high + multiply_high(count, ln_2_low);
  const u32 rest = x.significand - top_bit;
  const u64 log = rest == 0 ? 0 : fixed_log_of_one_plus(normalized(rest, -31));
  return x.exponent < 0 ? whole - log : whole + log;
}

}  // namespace pinned

/** exp(x). */
FP8LAB_HD u32 exp_bits(u32 bits) {
  const u32 magnitude = bits & magnitude_mask;
  const bool negative = bits != magnitude;
  if (magnitude > inf_bits) return nan_bits;
  if (magnitude >= pinned::past_exp) return negative ? 0 : inf_bits;
  const Power power = pinned::power_of_e(magnitude, negative);
  return pinned::pack(power.significand, power.exponent - 31);
}

/** 1 / (1 + e^-x). */
FP8LAB_HD u32 sigmoid_bits(u32 bits) {
  const u32 magnitude = bits & magnitude_mask;
  const bool negative = bits != magnitude;
  if (magnitude > inf_bits) return nan_bits;
  if (magnitude >= pinned::past_exp) return negative ? 0 : one_bits;
  const Power power = pinned::power_of_e(magnitude, true);
  if (power.exponent == 0) return 0x3f000000u;
  const u64 divisor = pinned::top_bit + pinned::shift_right(power.significand, -power.exponent);
  if (negative) return pinned::pack((static_cast<u64>(power.significand) << 31) / divisor, power.exponent - 31);
  return pinned::pack(0x7fffffffffffffffull / divisor, -32);
}

/** ln(1 + x); -Inf at -1, NaN below. */
FP8LAB_HD u32 log1p_bits(u32 bits) {
  const u32 magnitude = bits & magnitude_mask;
  const bool negative = bits != magnitude;
  if (magnitude > inf_bits || (negative && magnitude > one_bits)) return nan_bits;
  if (negative && magnitude == one_bits) return 0xff800000u;
  if (magnitude == 0 || magnitude == inf_bits) return bits;
  const Power x = pinned::magnitude_of(bits);
  const u32 sign = bits ^ magnitude;
  if (magnitude < (negative ? 0x3f000000u : one_bits + 1)) return sign | pinned::pack(pinned::log_of_one_plus(x, negative), x.exponent - 30);
  if (negative) return sign | pinned::pack(pinned::fixed_log(pinned::normalized(pinned::top_bit - (x.significand >> 1), -31)), -32);
  // 1 + x: exact but where the 1 lies below 32 bits.
  const u64 sum = static_cast<u64>(x.significand) + pinned::shift_right(pinned::top_bit, x.exponent);
  const Power above = sum >> 32 == 0 ? Power{static_cast<u32>(sum), x.exponent} : Power{static_cast<u32>(sum >> 1), x.exponent + 1};
  return pinned::pack(pinned::fixed_log(above), -32);
}

/** ln(1 + e^x); x itself past 20. */
FP8LAB_HD u32 softplus_bits(u32 bits) {
  const u32 magnitude = bits & magnitude_mask;
  const bool negative = bits != magnitude;
  if (magnitude > inf_bits) return nan_bits;
  if (!negative && magnitude > 0x41a00000u) return bits;
  if (magnitude >= pinned::past_exp) return 0;
  const Power power = pinned::power_of_e(magnitude, true);
  if (negative && magnitude != 0) return pinned::pack(pinned::log_of_one_plus(power, false), power.exponent - 30);
  return pinned::pack(pinned::fixed_point(magnitude) + pinned::fixed_log_of_one_plus(power), -32);
}

/** The square root, correctly rounded. */
FP8LAB_HD u32 sqrt_bits(u32 bits) {
#if defined(__CUDA_ARCH__)
  return canonical_bits(__fsqrt_rn(bits_float(bits)));
#else
  return canonical_bits(std::sqrt(bits_float(bits)));
#endif
}

}  // namespace fp8lab
