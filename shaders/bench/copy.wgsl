// The adapter's own speed at copying: 16 bytes a thread.
#include "kernels/thread.wgsl"

struct Parameters {
  count: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> source: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> copied: array<vec4<u32>>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn copy(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let thread = thread_index(workgroup, groups, local);
  if (thread < parameters.count) {
    copied[thread] = source[thread];
  }
}
