// Scales of tiles by every recipe: the twin of src/numerics/scale.ts. docs/numerics.md, "Quantization", has the operations.
#include "numerics/decode.wgsl"
#include "numerics/encode.wgsl"
#include "numerics/float.wgsl"

const DIVIDE = 0u;
const RECIPROCAL = 1u;
const INVERSE = 2u;
const DEEPEP = 3u;
const V32 = 4u;
const TE = 5u;
const TORCHAO = 6u;
const POW2 = 7u;
const MX_FLOOR = 8u;
const MX_CEIL = 9u;
const MX_EVEN = 10u;
const MX_RCEIL = 11u;
const NVFP4 = 12u;
const UNIT = 13u;

const SCALE_F32 = 0u;
const SCALE_E8M0 = 1u;
const SCALE_E4M3 = 2u;

// What a scheme says of its scales, and what the recipes need of the element format.
struct ScaleRule {
  recipe: u32,
  scale_type: u32,
  // Bits of the least amax and of the format's largest value.
  amax_floor: u32,
  max_bits: u32,
  // Largest exponent and mantissa width of the element format (mx recipes).
  emax: i32,
  mantissa_bits: u32,
}

// A tile's scale as stored, and the factor that its values take: bits of a divisor or multiplier, or an exponent. One recipe has one kind.
struct TileScale {
  stored: u32,
  factor: u32,
}

// The factor of a marked tile under the recipes that shift; the others multiply or divide by NaN.
const NAN_SHIFT = 0x7fffffffu;

fn shifts(recipe: u32) -> bool {
  return recipe >= POW2 && recipe <= MX_RCEIL;
}

fn divides(recipe: u32) -> bool {
  return recipe == DIVIDE || recipe == V32;
}

fn tile_scale(amax: u32, rule: ScaleRule, tensor_scale: u32) -> TileScale {
  if (rule.recipe == UNIT || (rule.recipe == TE && (amax == 0u || amax >= INFINITY_BITS))) {
    return TileScale(ONE_BITS, ONE_BITS);
  }
  if (amax >= INFINITY_BITS || tensor_scale == NAN_BITS) {
    return TileScale(nan_scale(rule.scale_type), select(NAN_BITS, NAN_SHIFT, shifts(rule.recipe)));
  }
  let floored = max(amax, rule.amax_floor);
  if (shifts(rule.recipe)) {
    let exponent = power_of_two_exponent(floored, rule);
    return TileScale(stored_power(exponent, rule.scale_type), u32(-exponent));
  }
  if (rule.recipe == NVFP4) {
    return nvfp4_scale(floored, tensor_scale);
  }
  return division_scale(floored, rule.recipe, rule.max_bits);
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

// Second-level scale of nvfp4 from the amax of the whole tensor.
fn tensor_scale_bits(amax: u32) -> u32 {
  if (amax >= INFINITY_BITS) {
    return NAN_BITS;
  }
  // 2688 = 448 * 6.
  return select(float_div(amax, 0x45280000u), ONE_BITS, amax == 0u);
}

fn division_scale(amax: u32, recipe: u32, max_bits: u32) -> TileScale {
  let stored = stored_quotient(amax, recipe, max_bits);
  // A scale that comes out zero leaves the values as they are: zeros, or next to it.
  if (stored == 0u) {
    return TileScale(0u, ONE_BITS);
  }
  if (divides(recipe)) {
    return TileScale(stored, stored);
  }
  if (recipe == RECIPROCAL) {
    return TileScale(stored, float_div(ONE_BITS, stored));
  }
  let multiplier = float_div(max_bits, amax);
  return TileScale(stored, select(multiplier, min(multiplier, LARGEST_BITS), recipe == TE));
}

fn stored_quotient(amax: u32, recipe: u32, max_bits: u32) -> u32 {
  switch (recipe) {
    case DEEPEP, V32: {
      return float_mul(amax, float_div(ONE_BITS, max_bits));
    }
    case TE: {
      return float_div(ONE_BITS, min(float_div(max_bits, amax), LARGEST_BITS));
    }
    // TorchAO divides in double precision and rounds to single: more than 2 * 24 + 2 bits, so that is the single-precision quotient.
    case TORCHAO: {
      return float_div(ONE_BITS, float_div(max_bits, amax));
    }
    default: {
      return float_div(amax, max_bits);
    }
  }
}

fn nvfp4_scale(amax: u32, tensor_scale: u32) -> TileScale {
  let e4m3 = Format(8u, 4u, 3u, 7, FN, 0x7eu, 0x7fu, NO_CODE);
  // 6, 2^-6 and 448.
  let wanted = float_div(float_div(amax, 0x40c00000u), tensor_scale);
  let clamped = min(max(wanted, 0x3c800000u), 0x43e00000u);
  let stored = encode(clamped, 0, e4m3, NEAREST_EVEN, SATURATE, 0u);
  let scale = float_mul(decode(stored, e4m3), tensor_scale);
  return TileScale(stored, select(float_div(ONE_BITS, scale), ONE_BITS, scale == 0u));
}

fn power_of_two_exponent(amax: u32, rule: ScaleRule) -> i32 {
  switch (rule.recipe) {
    case POW2: {
      return max(ceil_exponent(float_div(amax, rule.max_bits)), -126);
    }
    case MX_RCEIL: {
      return rceil_exponent(float_mul(amax, float_div(ONE_BITS, rule.max_bits)));
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
