// Scales of tiles by every recipe: the twin of src/numerics/scale.ts. docs/numerics.md, "Quantization", has the operations.
#include "numerics/decode.wgsl"
#include "numerics/encode.wgsl"
#include "numerics/power_scale.wgsl"

const DIVIDE = 0u;
const RECIPROCAL = 1u;
const INVERSE = 2u;
const DEEPEP = 3u;
const V32 = 4u;
const TE = 5u;
const TORCHAO = 6u;
const NVFP4 = 12u;
const UNIT = 13u;

fn tile_scale(amax: u32, rule: ScaleRule, tensor_scale: u32) -> TileScale {
  if (shifts(rule.recipe)) {
    return power_scale(amax, rule);
  }
  if (rule.recipe == UNIT || (rule.recipe == TE && (amax == 0u || amax >= INFINITY_BITS))) {
    return TileScale(ONE_BITS, ONE_BITS);
  }
  if (amax >= INFINITY_BITS || tensor_scale == NAN_BITS) {
    return TileScale(nan_scale(rule.scale_type), NAN_BITS);
  }
  let floored = max(amax, rule.amax_floor);
  if (rule.recipe == NVFP4) {
    return nvfp4_scale(floored, tensor_scale);
  }
  return division_scale(floored, rule);
}

// Second-level scale of nvfp4 from the amax of the whole tensor.
fn tensor_scale_bits(amax: u32) -> u32 {
  if (amax >= INFINITY_BITS) {
    return NAN_BITS;
  }
  // 2688 = 448 * 6.
  return select(float_div(amax, 0x45280000u), ONE_BITS, amax == 0u);
}

// amax / max or its inverse, then what a recipe makes of that: every division is written once, for compilers copy it into each place.
fn division_scale(amax: u32, rule: ScaleRule) -> TileScale {
  let recipe = rule.recipe;
  // TorchAO divides in double precision and rounds to single: more than 2 * 24 + 2 bits, so that is the single-precision quotient.
  let inverts = recipe == TE || recipe == TORCHAO;
  var first = float_div(select(amax, rule.max_bits, inverts), select(rule.max_bits, amax, inverts));
  if (recipe == DEEPEP || recipe == V32) {
    first = float_mul(amax, rule.reciprocal_bits);
  } else if (recipe == TE) {
    first = min(first, LARGEST_BITS);
  }
  let reciprocal = inverts || recipe == RECIPROCAL;
  let second = float_div(select(rule.max_bits, ONE_BITS, reciprocal), select(amax, first, reciprocal));
  let stored = select(first, second, inverts);
  // A scale that comes out zero leaves the values as they are: zeros, or next to it.
  if (stored == 0u) {
    return TileScale(0u, ONE_BITS);
  }
  let divides = recipe == DIVIDE || recipe == V32;
  return TileScale(stored, select(second, first, inverts || divides));
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
