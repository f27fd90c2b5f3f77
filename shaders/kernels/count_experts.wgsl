// Slots of every expert: one thread a slot, negative ones go nowhere.
#include "kernels/thread.wgsl"

struct Parameters {
  slots: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> experts: array<u32>;
@group(0) @binding(2) var<storage, read_write> load: array<atomic<u32>>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn count_experts(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let slot = thread_index(workgroup, groups, local);
  if (slot >= parameters.slots || experts[slot] >= 0x80000000u) {
    return;
  }
  atomicAdd(&load[experts[slot]], 1u);
}
