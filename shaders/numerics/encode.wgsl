// Single-precision bits to a code of any format: the twin of encodeScaledBits. docs/numerics.md, "Encoding f32", has the rules.
#include "numerics/format.wgsl"

const NEAREST_EVEN = 0u;
const TOWARD_ZERO = 1u;
const TOWARD_POSITIVE = 2u;
const TOWARD_NEGATIVE = 3u;
const NEAREST_AWAY = 4u;
const TO_ODD = 5u;
const STOCHASTIC = 6u;

const SATURATE = 0u;
const TO_INFINITY = 1u;

// The code of (the value of bits) * 2^exponent, rounded once; |exponent| < 2^30. `random` is used by STOCHASTIC alone.
fn encode(bits: u32, exponent: i32, format: Format, rounding: u32, overflow: u32, random: u32) -> u32 {
  let magnitude = bits & MAGNITUDE;
  if (magnitude > INFINITY_BITS) {
    return select(format.nan_code, format.max_code, format.nan_code == NO_CODE);
  }
  let negative = format.specials != SCALE && bits != magnitude;
  let sign = select(0u, 1u << (format.bits - 1u), negative);
  if (magnitude == INFINITY_BITS) {
    return sign | overflow_code(format, overflow);
  }
  return sign | encode_magnitude(magnitude, exponent, negative, format, rounding, overflow, random);
}

fn overflow_code(format: Format, overflow: u32) -> u32 {
  if (overflow == SATURATE) {
    return format.max_code;
  }
  if (format.inf_code != NO_CODE) {
    return format.inf_code;
  }
  return select(format.nan_code, format.max_code, format.nan_code == NO_CODE);
}

fn encode_magnitude(
  magnitude: u32,
  exponent: i32,
  negative: bool,
  format: Format,
  rounding: u32,
  overflow: u32,
  random: u32,
) -> u32 {
  if (magnitude == 0u) {
    return 0u;
  }
  // The value is significand * 2^(biased - bias - 23), significand in [2^23, 2^24).
  let field = magnitude >> 23u;
  let zeros = select(0u, countLeadingZeros(magnitude) - 8u, field == 0u);
  let significand = select((magnitude & 0x7fffffu) | 0x800000u, magnitude << (zeros & 31u), field == 0u);
  let source_exponent = select(i32(field), 1 - i32(zeros), field == 0u);
  let biased = source_exponent - 127 + exponent + format.bias;
  var code = format.max_code + 1u;
  if (biased < (1i << format.exponent_bits)) {
    code = round_magnitude(significand, biased, negative, format, rounding, random);
  }
  if (code <= format.max_code) {
    return code;
  }
  return select(format.max_code, overflow_code(format, overflow), reaches_infinity(rounding, negative));
}

// May pass the largest code by one step.
fn round_magnitude(significand: u32, biased: i32, negative: bool, format: Format, rounding: u32, random: u32) -> u32 {
  let is_scale = format.specials == SCALE;
  if (is_scale && biased < 0) {
    return 0u;
  }
  let normal = is_scale || biased >= 1;
  let shift = u32(23 - i32(format.mantissa_bits) + select(1 - biased, 0, normal));
  if (shift > 24u) {
    return select(0u, 1u, rounds_up_from_zero(significand, shift, negative, rounding, random));
  }
  // The leading one of a normal significand adds itself to the exponent field.
  let base = select(0, (biased - 1) * (1i << format.mantissa_bits), normal);
  let code = u32(base) + (significand >> shift);
  let remainder = significand & ((1u << shift) - 1u);
  return code + select(0u, 1u, rounds_up(code, remainder, shift, negative, rounding, random));
}

fn rounds_up(code: u32, remainder: u32, shift: u32, negative: bool, rounding: u32, random: u32) -> bool {
  if (remainder == 0u) {
    return false;
  }
  // A remainder needs a shift of at least 1.
  let half = 1u << ((shift - 1u) & 31u);
  switch (rounding) {
    case NEAREST_EVEN: {
      return remainder > half || (remainder == half && (code & 1u) == 1u);
    }
    case NEAREST_AWAY: {
      return remainder >= half;
    }
    case TOWARD_POSITIVE: {
      return !negative;
    }
    case TOWARD_NEGATIVE: {
      return negative;
    }
    case TO_ODD: {
      return (code & 1u) == 0u;
    }
    case STOCHASTIC: {
      return remainder + (random >> ((32u - shift) & 31u)) >= 2u * half;
    }
    default: {
      return false;
    }
  }
}

// A magnitude significand / 2^shift of the least code, below half of it.
fn rounds_up_from_zero(significand: u32, shift: u32, negative: bool, rounding: u32, random: u32) -> bool {
  switch (rounding) {
    case TOWARD_POSITIVE: {
      return !negative;
    }
    case TOWARD_NEGATIVE: {
      return negative;
    }
    case TO_ODD: {
      return true;
    }
    case STOCHASTIC: {
      return (random >> 8u) < (significand >> min(shift - 24u, 24u));
    }
    default: {
      return false;
    }
  }
}

fn reaches_infinity(rounding: u32, negative: bool) -> bool {
  switch (rounding) {
    case TOWARD_ZERO, TO_ODD: {
      return false;
    }
    case TOWARD_POSITIVE: {
      return !negative;
    }
    case TOWARD_NEGATIVE: {
      return negative;
    }
    default: {
      return true;
    }
  }
}
