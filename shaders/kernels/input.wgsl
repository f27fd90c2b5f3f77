// The format of a kernel's input, from the host's constants, and how its lanes lie in words.
#include "numerics/format.wgsl"

const INPUT = Format(
  INPUT_BITS, INPUT_EXPONENT_BITS, INPUT_MANTISSA_BITS, INPUT_BIAS, INPUT_SPECIALS, INPUT_MAX_CODE, INPUT_NAN_CODE, INPUT_INF_CODE,
);

const INPUT_LANE_BITS = 32u >> INPUT_LANE_SHIFT;
const INPUT_LANE_MASK = 0xffffffffu >> (32u - INPUT_LANE_BITS);

// The lane of element `index` in the word that holds it, word index >> INPUT_LANE_SHIFT.
fn input_lane(word: u32, index: u32) -> u32 {
  return (word >> ((index & ((1u << INPUT_LANE_SHIFT) - 1u)) * INPUT_LANE_BITS)) & INPUT_LANE_MASK;
}
