// Promotion in plain single precision, for kernels that have a copy of it for every sum.
#include "kernels/gemm_parts.wgsl"

// Scales and partial sums of four columns, each operation rounded once.
fn promote(sums: vec4<u32>, partials: vec4<u32>, sa: vec4<u32>, sb: vec4<u32>) -> vec4<u32> {
  let scaled = float_mul4(select(partials, sa, COMBINE != B_THEN_A), select(partials, sb, COMBINE != A_THEN_B));
  let other = select(select(partials, sb, COMBINE == A_THEN_B), sa, COMBINE == B_THEN_A);
  if (FUSED == 1) {
    return float_fma4(scaled, other, sums);
  }
  return float_add4(sums, float_mul4(scaled, other));
}
