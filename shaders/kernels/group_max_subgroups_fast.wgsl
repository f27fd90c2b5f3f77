// group_max() from register to register within a subgroup, by the workgroup's memory from one to the next. Lanes are taken for threads side by side, which
// WGSL does not promise: where they are not, a trial finds the results wrong.
enable subgroups;
#include "kernels/offered_max_fast.wgsl"

// SUBGROUP: lanes that every subgroup has at least.
fn group_max(value: u32, local: u32) -> u32 {
  var largest = value;
  for (var distance = u32(STRIDE); distance < min(SUBGROUP, SPAN); distance <<= 1u) {
    largest = max(largest, subgroupShuffleXor(largest, distance));
  }
  if (SUBGROUP >= SPAN) {
    return largest;
  }
  return offered_max(largest, local, max(SUBGROUP, STRIDE));
}
