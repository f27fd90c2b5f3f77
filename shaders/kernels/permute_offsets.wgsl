// First row of every expert, a multiple of the alignment, and the end of the last.
#include "kernels/thread.wgsl"

struct Parameters {
  experts: u32,
  alignment: u32,
  // Rows of each expert's block; 0: experts lie one behind the other.
  stride: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> counts: array<u32>;
@group(0) @binding(2) var<storage, read_write> offsets: array<u32>;

// One thread: there are at most 32,768 experts.
@compute @workgroup_size(WORKGROUP_SIZE)
fn sum_experts(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  if (thread_index(workgroup, groups, local) != 0u) {
    return;
  }
  var row = 0u;
  for (var expert = 0u; expert < parameters.experts; expert++) {
    offsets[expert] = row;
    let aligned = (counts[expert] + parameters.alignment - 1u) / parameters.alignment * parameters.alignment;
    row += select(parameters.stride, aligned, parameters.stride == 0u);
  }
  offsets[parameters.experts] = row;
}
