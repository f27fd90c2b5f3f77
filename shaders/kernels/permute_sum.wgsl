// Counts of blocks to sums of the blocks before, expert by expert.
#include "kernels/thread.wgsl"

struct Parameters {
  blocks: u32,
  experts: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
// [blocks, experts].
@group(0) @binding(1) var<storage, read_write> bases: array<u32>;
@group(0) @binding(2) var<storage, read_write> counts: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn sum_blocks(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let expert = thread_index(workgroup, groups, local);
  if (expert >= parameters.experts) {
    return;
  }
  var sum = 0u;
  for (var block = 0u; block < parameters.blocks; block++) {
    let i = block * parameters.experts + expert;
    let count = bases[i];
    bases[i] = sum;
    sum += count;
  }
  counts[expert] = sum;
}
