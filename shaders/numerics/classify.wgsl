// Kinds of single-precision bits.
#include "numerics/format.wgsl"

fn is_nan(bits: u32) -> bool {
  return (bits & MAGNITUDE) > INFINITY_BITS;
}

fn is_infinite(bits: u32) -> bool {
  return (bits & MAGNITUDE) == INFINITY_BITS;
}

fn is_zero(bits: u32) -> bool {
  return (bits & MAGNITUDE) == 0u;
}
