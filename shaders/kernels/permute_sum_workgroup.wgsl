// Counts of blocks to sums of the blocks before: a workgroup an expert.
#include "kernels/permute_scan.wgsl"

struct Parameters {
  blocks: u32,
  experts: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
// [experts, blocks].
@group(0) @binding(1) var<storage, read_write> bases: array<u32>;
@group(0) @binding(2) var<storage, read_write> counts: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn sum_blocks(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let expert = workgroup.y * groups.x + workgroup.x;
  if (expert >= parameters.experts) {
    return;
  }
  let first = expert * parameters.blocks;
  let run = run_of(local, parameters.blocks);
  var total = 0u;
  for (var block = run.begin; block < run.end; block++) {
    total += bases[first + block];
  }
  var sum = sum_before(total, local);
  if (local == THREADS - 1u) {
    counts[expert] = sum + total;
  }
  for (var block = run.begin; block < run.end; block++) {
    let count = bases[first + block];
    bases[first + block] = sum;
    sum += count;
  }
}
