#include "kernels/offered_max_fast.wgsl"

// The largest of a group's values.
fn group_max(value: u32, local: u32) -> u32 {
  return offered_max(value, local, u32(STRIDE));
}
