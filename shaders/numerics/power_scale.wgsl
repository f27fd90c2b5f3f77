// Scales that are powers of two, by the recipes that have such: the part of src/numerics/scale.ts that shifts. docs/numerics.md, "Quantization", has the operations.
// What a scheme says comes as a value, not as constants: a tile has one scale, and so one compiled kernel serves every recipe.
#include "numerics/factor.wgsl"
#include "numerics/float.wgsl"

const POW2 = 7u;
const MX_FLOOR = 8u;
const MX_CEIL = 9u;
const MX_EVEN = 10u;
const MX_RCEIL = 11u;

const SCALE_F32 = 0u;
const SCALE_E8M0 = 1u;
const SCALE_E4M3 = 2u;

// What a scheme says of its scales, and what the recipes need of the element format. In a uniform it takes eight words.
struct ScaleRule {
  recipe: u32,
  scale_type: u32,
  // Bits of the least amax, of the format's largest value and of 1 over it, rounded.
  amax_floor: u32,
  max_bits: u32,
  reciprocal_bits: u32,
  // Largest exponent and mantissa width of the element format (mx recipes).
  emax: i32,
  mantissa_bits: u32,
}

// A tile's scale as stored, and the factor that its values take: bits of a divisor or multiplier, or an exponent. One recipe has one kind.
struct TileScale {
  stored: u32,
  factor: u32,
}

fn shifts(recipe: u32) -> bool {
  return recipe >= POW2 && recipe <= MX_RCEIL;
}

// Of a recipe that shifts.
fn power_scale(amax: u32, rule: ScaleRule) -> TileScale {
  if (amax >= INFINITY_BITS) {
    return TileScale(nan_scale(rule.scale_type), NAN_SHIFT);
  }
  let exponent = power_of_two_exponent(max(amax, rule.amax_floor), rule);
  return TileScale(stored_power(exponent, rule.scale_type), u32(-exponent));
}

fn nan_scale(scale_type: u32) -> u32 {
  return select(select(NAN_BITS, 0xffu, scale_type == SCALE_E8M0), 0x7fu, scale_type == SCALE_E4M3);
}

fn stored_power(exponent: i32, scale_type: u32) -> u32 {
  let field = u32(exponent + 127);
  if (scale_type == SCALE_E8M0) {
    return field;
  }
  return select(field << 23u, 0x00400000u, field == 0u);
}

fn power_of_two_exponent(amax: u32, rule: ScaleRule) -> i32 {
  if (rule.recipe == MX_RCEIL) {
    return rceil_exponent(float_mul(amax, rule.reciprocal_bits));
  }
  switch (rule.recipe) {
    case POW2: {
      return max(quotient_exponent(amax, rule.max_bits), -126);
    }
    case MX_CEIL: {
      return clamp(ceil_exponent(amax) - rule.emax, -127, 127);
    }
    case MX_EVEN: {
      let rounded = amax + (1u << (22u - rule.mantissa_bits));
      return clamp(i32(rounded >> 23u) - 127 - rule.emax, -127, 127);
    }
    default: {
      return clamp(i32(amax >> 23u) - 127 - rule.emax, -127, 127);
    }
  }
}

// ceil(log2) of a / b as f32, for normal numbers: rounding gives 1 to no quotient of two different significands, for such a one is more than half a place from 1.
// A subnormal a counts as exponent field 0.
fn quotient_exponent(a: u32, b: u32) -> i32 {
  return i32(a >> 23u) - i32(b >> 23u) + select(0, 1, (a & 0x7fffffu) > (b & 0x7fffffu));
}

// ceil(log2) of a positive number; subnormals count as exponent field 0.
fn ceil_exponent(bits: u32) -> i32 {
  return i32(bits >> 23u) - 127 + select(0, 1, (bits & 0x7fffffu) != 0u);
}

// Rounds up to an e8m0 value as the conversion instruction does.
fn rceil_exponent(bits: u32) -> i32 {
  if (bits < 0x00800000u) {
    return select(-126, -127, bits <= 0x00400000u);
  }
  return min(ceil_exponent(bits), 127);
}
