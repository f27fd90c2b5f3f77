// Single precision to bf16, nearest even, four values at once.
#include "numerics/format.wgsl"

fn to_bf16(bits: vec4<u32>) -> vec4<u32> {
  let rounded = (bits + vec4(0x7fffu) + ((bits >> vec4(16u)) & vec4(1u))) >> vec4(16u);
  return select(rounded, vec4(NAN_BITS >> 16u), (bits & vec4(MAGNITUDE)) > vec4(INFINITY_BITS));
}
