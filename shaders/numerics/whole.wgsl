// Whole numbers as f32.
#include "numerics/float.wgsl"

// The f32 nearest to a whole number.
fn float_of_whole(value: vec2<u32>) -> u32 {
  if (u64_is_zero(value)) {
    return 0u;
  }
  return float_from_u64(0u, 0, value);
}
