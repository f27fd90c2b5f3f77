// Four values at once to codes of a small format, nearest even and saturating, without a branch: encode4() with the adapter's own addition for what
// is subnormal as a code. OUTPUT, of at most 8 bits and with a sign, is the including kernel's.
#include "numerics/format.wgsl"

const ENCODE4_DROP = 23u - u32(OUTPUT_MANTISSA_BITS);

// Half the last kept place, less one: with the place itself added, ties go to even.
const ENCODE4_HALF = (1u << (ENCODE4_DROP - 1u)) - 1u;

// What the exponents' biases differ by, in a code.
const ENCODE4_REBIAS = u32(127 - OUTPUT_BIAS) << u32(OUTPUT_MANTISSA_BITS);
const ENCODE4_LEAST_NORMAL = u32(128 - OUTPUT_BIAS) << 23u;

// The number whose last place is the least code: a subnormal added to it is rounded to one.
const ENCODE4_LIFT = u32(151 - OUTPUT_BIAS - i32(OUTPUT_MANTISSA_BITS)) << 23u;

fn encode4(bits: vec4<u32>) -> vec4<u32> {
  let magnitude = bits & vec4(MAGNITUDE);
  let rounded = (magnitude + vec4(ENCODE4_HALF) + ((magnitude >> vec4(ENCODE4_DROP)) & vec4(1u))) >> vec4(ENCODE4_DROP);
  let normal = min(rounded - vec4(ENCODE4_REBIAS), vec4(u32(OUTPUT_MAX_CODE)));
  let lifted = bitcast<vec4<u32>>(bitcast<vec4<f32>>(magnitude) + vec4(bitcast<f32>(ENCODE4_LIFT)));
  let codes = select(normal, lifted - vec4(ENCODE4_LIFT), magnitude < vec4(ENCODE4_LEAST_NORMAL));
  let signed = codes | ((bits >> vec4(31u)) << vec4(OUTPUT_BITS - 1u));
  let nan = select(u32(OUTPUT_NAN_CODE), u32(OUTPUT_MAX_CODE), u32(OUTPUT_NAN_CODE) == NO_CODE);
  return select(signed, vec4(nan), magnitude > vec4(INFINITY_BITS));
}
