// What kernels with their sums in registers share: values of bf16 pairs, and promotion in plain single precision, a copy of it for every sum.
#include "kernels/gemm_parts.wgsl"

// Values at the first and at the second k of words. A product, for some adapters shift lane by lane.
fn low_half(pairs: vec4<u32>) -> vec4<f32> {
  return bitcast<vec4<f32>>(pairs * vec4(0x10000u));
}

fn high_half(pairs: vec4<u32>) -> vec4<f32> {
  return bitcast<vec4<f32>>(pairs & vec4(0xffff0000u));
}

// Scales and partial sums of four columns.
fn promote(sums: vec4<u32>, partials: vec4<f32>, a_factor: u32, b_factors: vec4<u32>) -> vec4<u32> {
  let sa = vec4(bitcast<f32>(a_factor));
  let sb = bitcast<vec4<f32>>(b_factors);
  let scaled = select(partials, sa, parameters.combine != B_THEN_A) * select(partials, sb, parameters.combine != A_THEN_B);
  let other = select(select(partials, sb, parameters.combine == A_THEN_B), sa, parameters.combine == B_THEN_A);
  if (parameters.fused == 1u) {
    return bitcast<vec4<u32>>(fma(scaled, other, bitcast<vec4<f32>>(sums)));
  }
  return bitcast<vec4<u32>>(bitcast<vec4<f32>>(sums) + scaled * other);
}
