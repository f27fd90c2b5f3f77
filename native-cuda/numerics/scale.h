#pragma once
// Scales of tiles, and what they do to values: docs/numerics.md, "Quantization". The twin of src/numerics/scale.ts.

#include "codec.h"
#include "scheme.h"

namespace fp8lab {

/**
 * What a tile does to its values before they are encoded. `divide` and `multiply` are one f32 operation with `bits`; `shift` multiplies by
 * 2^exponent without an intermediate rounding; `none` leaves them; `nan` replaces them all.
 */
enum class FactorKind : u8 { divide, multiply, shift, none, nan };

struct Factor {
  FactorKind kind;
  u32 bits;
  i32 exponent;
};

/** A tile's scale as stored (f32 bits, e8m0 byte or e4m3 code) and the factor that its values take. */
struct TileScale {
  u32 stored;
  Factor factor;
};

FP8LAB_HD constexpr Factor divide_by(u32 bits) { return {FactorKind::divide, bits, 0}; }
FP8LAB_HD constexpr Factor multiply_by(u32 bits) { return {FactorKind::multiply, bits, 0}; }
FP8LAB_HD constexpr Factor shift_by(i32 exponent) { return {FactorKind::shift, 0, exponent}; }
FP8LAB_HD constexpr Factor no_factor() { return {FactorKind::none, 0, 0}; }
FP8LAB_HD constexpr Factor nan_factor() { return {FactorKind::nan, 0, 0}; }

/** ceil(log2 x) from the bits of a positive f32; subnormals count as exponent field 0. */
FP8LAB_HD i32 ceil_exponent(u32 bits) { return static_cast<i32>(bits >> 23) - 127 + ((bits & 0x7fffffu) != 0 ? 1 : 0); }

/** Rounds up to an e8m0 value as the conversion instruction does: a subnormal up to 2^-127 gives 2^-127. */
FP8LAB_HD i32 rceil_exponent(u32 bits) {
  if (bits < 0x00800000u) return bits <= 0x00400000u ? -127 : -126;
  return least(ceil_exponent(bits), 127);
}

/** Largest exponent of the element formats of the MX recipes (OCP MX 1.0, section 5). */
FP8LAB_HD constexpr i32 mx_exponent(FormatId format) {
  switch (format) {
    case FormatId::e5m2: return 15;
    case FormatId::e4m3: return 8;
    case FormatId::e3m2: return 4;
    case FormatId::e2m3:
    case FormatId::e2m1: return 2;
    default: return 0;
  }
}

/** Exponent e of the scale 2^e, -127..127. */
FP8LAB_HD i32 power_of_two_exponent(u32 amax, Recipe recipe, FormatId id) {
  const Format format = format_of(id);
  if (recipe == Recipe::pow2) return most(ceil_exponent(div_bits(amax, format.max_bits)), -126);
  if (recipe == Recipe::mx_rceil) return rceil_exponent(mul_bits(amax, div_bits(one_bits, format.max_bits)));
  i32 exponent;
  if (recipe == Recipe::mx_ceil) {
    exponent = ceil_exponent(amax);
  } else {
    const u32 rounded = recipe == Recipe::mx_even ? amax + (1u << (22 - format.mantissa_bits)) : amax;
    exponent = static_cast<i32>(rounded >> 23) - 127;
  }
  return least(most(exponent - mx_exponent(id), -127), 127);
}

FP8LAB_HD u32 stored_quotient(u32 amax, Recipe recipe, u32 max) {
  switch (recipe) {
    case Recipe::deepep:
    case Recipe::v32: return mul_bits(amax, div_bits(one_bits, max));
    case Recipe::te: return div_bits(one_bits, least(div_bits(max, amax), largest_bits));
    // f32(max / f64(amax)): the f64 quotient has more than 2 * 24 + 2 bits, so rounding it again gives the f32 quotient.
    case Recipe::torchao: return div_bits(one_bits, div_bits(max, amax));
    default: return div_bits(amax, max);
  }
}

/** Stored scale and factor of the recipes that divide. A scale that comes out zero leaves the values as they are. */
FP8LAB_HD TileScale division_scale(u32 amax, Recipe recipe, u32 max) {
  const u32 stored = stored_quotient(amax, recipe, max);
  if (stored == 0) return {stored, no_factor()};
  switch (recipe) {
    case Recipe::divide:
    case Recipe::v32: return {stored, divide_by(stored)};
    case Recipe::reciprocal: return {stored, multiply_by(div_bits(one_bits, stored))};
    case Recipe::te: return {stored, multiply_by(least(div_bits(max, amax), largest_bits))};
    default: return {stored, multiply_by(div_bits(max, amax))};
  }
}

FP8LAB_HD TileScale nvfp4_scale(u32 amax, u32 tensor_scale) {
  constexpr Format e4m3 = format_of(FormatId::e4m3);
  constexpr u32 six = 0x40c00000u, least_scale = 0x3c800000u, largest_scale = 0x43e00000u;
  const u32 wanted = div_bits(div_bits(amax, six), tensor_scale);
  const u32 clamped = least(most(wanted, least_scale), largest_scale);
  const u32 stored = encode(clamped, e4m3, Rounding::nearest_even, Overflow::saturate);
  const u32 scale = mul_bits(decode(stored, e4m3), tensor_scale);
  return {stored, scale == 0 ? no_factor() : multiply_by(div_bits(one_bits, scale))};
}

/** Scale of a tile with the given amax (bits of the largest magnitude). `tensor_scale` (f32 bits) is the second level of nvfp4. */
FP8LAB_HD TileScale tile_scale(u32 amax, const Scheme& scheme, u32 tensor_scale = one_bits) {
  if (scheme.recipe == Recipe::unit) return {one_bits, no_factor()};
  if (scheme.recipe == Recipe::te && (amax == 0 || amax >= inf_bits)) return {one_bits, no_factor()};
  if (amax >= inf_bits || tensor_scale == nan_bits) {
    const u32 marker = scheme.scale_type == FormatId::f32 ? nan_bits : static_cast<u32>(format_of(scheme.scale_type).nan_code);
    return {marker, nan_factor()};
  }
  const u32 floored = most(amax, scheme.amax_floor);
  if (is_power_of_two(scheme.recipe)) {
    const i32 exponent = power_of_two_exponent(floored, scheme.recipe, scheme.format);
    const u32 biased = static_cast<u32>(exponent + 127);
    const u32 stored = scheme.scale_type == FormatId::e8m0 ? biased : biased == 0 ? 0x00400000u : biased << 23;
    return {stored, shift_by(-exponent)};
  }
  return scheme.recipe == Recipe::nvfp4 ? nvfp4_scale(floored, tensor_scale)
                                        : division_scale(floored, scheme.recipe, format_of(scheme.format).max_bits);
}

/** f32 bits of the nvfp4 tensor scale: amax of the whole tensor over 448 * 6; 1 for a tensor of zeros, NaN where amax is not finite. */
FP8LAB_HD u32 tensor_scale_bits(u32 amax) {
  constexpr u32 limit = 0x45280000u;  // 2688
  if (amax >= inf_bits) return nan_bits;
  return amax == 0 ? one_bits : div_bits(amax, limit);
}

/** f32 bits of the factor that a stored scale dequantizes with. */
FP8LAB_HD u32 scale_bits(u32 stored, const Scheme& scheme, u32 tensor_scale = one_bits) {
  if (scheme.scale_type == FormatId::f32) return stored;
  const u32 bits = decode(stored, format_of(scheme.scale_type));
  return scheme.recipe == Recipe::nvfp4 ? mul_bits(bits, tensor_scale) : bits;
}

/** Applies a tile's factor to f32 bits and encodes the outcome. */
FP8LAB_HD u32 quantize_bits(u32 bits, const Factor& factor, const Format& format, Rounding rounding, Overflow overflow, u32 random = 0) {
  switch (factor.kind) {
    case FactorKind::divide: return encode(div_bits(bits, factor.bits), format, rounding, overflow, random);
    case FactorKind::multiply: return encode(mul_bits(bits, factor.bits), format, rounding, overflow, random);
    case FactorKind::shift: return encode_scaled(bits, factor.exponent, format, rounding, overflow, random);
    case FactorKind::none: return encode(bits, format, rounding, overflow, random);
    case FactorKind::nan: return encode(nan_bits, format, rounding, overflow, random);
  }
  return 0;
}

}  // namespace fp8lab
