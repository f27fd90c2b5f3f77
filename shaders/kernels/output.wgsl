// The format of a kernel's result, from the host's constants, and how its lanes lie in words.
#include "numerics/format.wgsl"

const OUTPUT = Format(
  OUTPUT_BITS, OUTPUT_EXPONENT_BITS, OUTPUT_MANTISSA_BITS, OUTPUT_BIAS, OUTPUT_SPECIALS, OUTPUT_MAX_CODE, OUTPUT_NAN_CODE, OUTPUT_INF_CODE,
);

const OUTPUT_LANE_BITS = 32u >> OUTPUT_LANE_SHIFT;
const OUTPUT_LANES = 1u << OUTPUT_LANE_SHIFT;
