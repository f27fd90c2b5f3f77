// How fused sums leave a tensor core: the twin of roundStep, four sums at a time.
#include "numerics/format.wgsl"

const E8M13 = 0;
const F32_TOWARD_ZERO = 1;
const F32_NEAREST = 2;
const F16_NEAREST = 3;

const KEPT = select(select(23, 13, STEP_OUTPUT == E8M13), 10, STEP_OUTPUT == F16_NEAREST);
const LEAST = select(-126 - KEPT, -24, STEP_OUTPUT == F16_NEAREST);
const LARGEST_EXPONENT = select(127, 15, STEP_OUTPUT == F16_NEAREST);

// Rounds significand * 2^(exponent - 31), the leading bit at 31 and anything below bit 0 folded into it; a significand of 0 is a sum of 0.
// `mask` is all ones for a negative sum. A sum that rounds to nothing is +0.
fn step_output(mask: vec4<u32>, exponent: vec4<i32>, significand: vec4<u32>) -> vec4<u32> {
  let last = max(exponent - vec4(i32(KEPT)), vec4(i32(LEAST)));
  let drop = vec4<u32>(vec4(31) - exponent + last);
  // Halves of the dropped part, so that a drop of 32 needs no shift by 32.
  let halving = min(drop, vec4(32u)) - vec4(1u);
  let halves = select(significand >> halving, vec4(0u), drop > vec4(32u));
  var code = halves >> vec4(1u);
  if (STEP_OUTPUT >= F32_NEAREST) {
    let rest = vec4<u32>(significand != (halves << halving));
    code += halves & (rest | code) & vec4(1u);
  }
  let zeros = countLeadingZeros(code);
  // Exact from here: at most 24 bits are left.
  let top = last + vec4(31) - vec4<i32>(zeros);
  let normalized = code << (zeros & vec4(31u));
  let below = vec4<u32>(clamp(vec4(-126) - top, vec4(0), vec4(23)));
  let field = vec4<u32>(max(top + vec4(126), vec4(0))) << vec4(23u);
  let finite = select(field, vec4(0u), below > vec4(0u)) + (normalized >> (below + vec4(8u)));
  let magnitude = select(finite, vec4(INFINITY_BITS), top > vec4(i32(LARGEST_EXPONENT)));
  return select(magnitude | (mask & vec4(SIGN_BIT)), vec4(0u), code == vec4(0u));
}
