// Four codes at once to the bits of their values, without a branch: decode() of a small format with a sign, its zero the only one, with the adapter's own conversion
// for subnormals. INPUT is the including kernel's.
#include "numerics/format.wgsl"

const DECODE4_SIGN = 1u << (INPUT_BITS - 1u);
const DECODE4_LEAST_NORMAL = 1u << u32(INPUT_MANTISSA_BITS);
const DECODE4_REBIAS = u32(127 - INPUT_BIAS) << 23u;

// The least code's value.
const DECODE4_STEP = u32(128 - INPUT_BIAS - i32(INPUT_MANTISSA_BITS)) << 23u;

fn decode4(codes: vec4<u32>) -> vec4<u32> {
  let magnitude = codes & vec4(DECODE4_SIGN - 1u);
  let normal = (magnitude << vec4(23u - u32(INPUT_MANTISSA_BITS))) + vec4(DECODE4_REBIAS);
  let subnormal = bitcast<vec4<u32>>(vec4<f32>(magnitude) * bitcast<f32>(DECODE4_STEP));
  var values = select(normal, subnormal, magnitude < vec4(DECODE4_LEAST_NORMAL));
  values = select(values, vec4(INFINITY_BITS), magnitude == vec4(u32(INPUT_INF_CODE)));
  values |= ((codes & vec4(DECODE4_SIGN)) >> vec4(INPUT_BITS - 1u)) << vec4(31u);
  let nan = (magnitude > vec4(u32(INPUT_MAX_CODE))) & (magnitude != vec4(u32(INPUT_INF_CODE)));
  return select(values, vec4(NAN_BITS), nan);
}
