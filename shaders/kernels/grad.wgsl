// The format of a gradient that a kernel reads beside its input, and how its lanes lie in words.
#include "numerics/decode.wgsl"

const GRAD = Format(
  GRAD_BITS, GRAD_EXPONENT_BITS, GRAD_MANTISSA_BITS, GRAD_BIAS, GRAD_SPECIALS, GRAD_MAX_CODE, GRAD_NAN_CODE, GRAD_INF_CODE,
);

const GRAD_LANE_BITS = 32u >> GRAD_LANE_SHIFT;
const GRAD_LANE_MASK = 0xffffffffu >> (32u - GRAD_LANE_BITS);

// The value of element `index` in the word that holds it, word index >> GRAD_LANE_SHIFT.
fn grad_value(word: u32, index: u32) -> u32 {
  return decode((word >> ((index & ((1u << GRAD_LANE_SHIFT) - 1u)) * GRAD_LANE_BITS)) & GRAD_LANE_MASK, GRAD);
}
