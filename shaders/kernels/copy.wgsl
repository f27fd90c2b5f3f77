// Copies words: the smallest kernel, with which runtimes and tests try a device out.
#include "kernels/thread.wgsl"

struct Parameters {
  words: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> source: array<u32>;
@group(0) @binding(2) var<storage, read_write> destination: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn copy_words(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = thread_index(workgroup, groups, local);
  if (i < parameters.words) {
    destination[i] = source[i];
  }
}
