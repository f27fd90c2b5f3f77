// The arithmetic of float.wgsl by the adapter's own instructions: the fast tier puts this file in its place.
// WGSL promises neither a rounding mode nor subnormals, NaN or a fused fma; what an adapter does is measured, not assumed.
#include "numerics/classify.wgsl"

fn float_mul(a: u32, b: u32) -> u32 {
  return bitcast<u32>(bitcast<f32>(a) * bitcast<f32>(b));
}

fn float_div(a: u32, b: u32) -> u32 {
  return bitcast<u32>(bitcast<f32>(a) / bitcast<f32>(b));
}

fn float_fma(a: u32, b: u32, c: u32) -> u32 {
  return bitcast<u32>(fma(bitcast<f32>(a), bitcast<f32>(b), bitcast<f32>(c)));
}

fn float_add(a: u32, b: u32) -> u32 {
  return bitcast<u32>(bitcast<f32>(a) + bitcast<f32>(b));
}
