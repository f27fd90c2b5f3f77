// Loads over an even share, and the largest over the mean: one thread an expert.
#include "kernels/thread.wgsl"
#include "numerics/whole.wgsl"

struct Parameters {
  experts: u32,
  // All slots, as an f32.
  slots: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> load: array<u32>;
@group(0) @binding(2) var<storage, read_write> fraction: array<u32>;
@group(0) @binding(3) var<storage, read_write> imbalance: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn relate_loads(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let expert = thread_index(workgroup, groups, local);
  if (expert >= parameters.experts) {
    return;
  }
  fraction[expert] = float_div(float_of_whole(u64_multiply(load[expert], parameters.experts)), parameters.slots);
  if (expert > 0u) {
    return;
  }
  var total = vec2(0u, 0u);
  var largest = 0u;
  for (var i = 0u; i < parameters.experts; i++) {
    total = u64_add(total, vec2(load[i], 0u));
    largest = max(largest, load[i]);
  }
  if (largest == 0u) {
    imbalance[0] = 0u;
  } else {
    imbalance[0] = float_div(float_of_whole(u64_multiply(largest, parameters.experts)), float_of_whole(total));
  }
}
