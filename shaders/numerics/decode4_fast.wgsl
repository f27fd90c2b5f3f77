// Four codes at once to the bits of their values, without a branch: decode() of a small format with a sign, its zero the only one. Shifts are products, for some
// adapters shift lane by lane. INPUT is the including kernel's.
#include "numerics/format.wgsl"

const DECODE4_SIGN = 1u << (INPUT_BITS - 1u);
const DECODE4_REBIAS = u32(127 - INPUT_BIAS) << 23u;

fn decode4(codes: vec4<u32>) -> vec4<u32> {
  let magnitude = codes & vec4(DECODE4_SIGN - 1u);
  // As if it were normal, m 2^e; a subnormal is (m - 1) 2^(e + 1), which of a normal is larger.
  let normal = magnitude * vec4(1u << (23u - u32(INPUT_MANTISSA_BITS))) + vec4(DECODE4_REBIAS);
  let above = bitcast<vec4<f32>>(normal) - vec4(bitcast<f32>(DECODE4_REBIAS));
  var values = vec4<u32>(min(vec4<i32>(normal), bitcast<vec4<i32>>(above + above)));
  values = select(values, vec4(INFINITY_BITS), magnitude == vec4(u32(INPUT_INF_CODE)));
  values |= (codes & vec4(DECODE4_SIGN)) * vec4(1u << (32u - INPUT_BITS));
  let nan = (magnitude > vec4(u32(INPUT_MAX_CODE))) & (magnitude != vec4(u32(INPUT_INF_CODE)));
  return select(values, vec4(NAN_BITS), nan);
}
