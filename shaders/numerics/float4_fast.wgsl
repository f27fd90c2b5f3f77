// float4.wgsl by the adapter's own instructions: the fast tier puts this file in its place.
#include "numerics/float_fast.wgsl"

fn float_fma4(a: vec4<u32>, b: vec4<u32>, c: vec4<u32>) -> vec4<u32> {
  return bitcast<vec4<u32>>(fma(bitcast<vec4<f32>>(a), bitcast<vec4<f32>>(b), bitcast<vec4<f32>>(c)));
}
