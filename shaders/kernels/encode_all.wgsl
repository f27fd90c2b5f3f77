// The codes of consecutive bit patterns, the pattern being the thread's own number: nothing is read.
#include "kernels/output.wgsl"
#include "kernels/thread.wgsl"
#include "numerics/encode.wgsl"

struct Parameters {
  first: u32,
  count: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read_write> codes: array<u32>;

// One thread writes one word of codes.
@compute @workgroup_size(WORKGROUP_SIZE)
fn encode_patterns(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let word = thread_index(workgroup, groups, local);
  let first = word << OUTPUT_LANE_SHIFT;
  if (first >= parameters.count) {
    return;
  }
  let last = min(first + OUTPUT_LANES, parameters.count);
  var packed = 0u;
  for (var i = first; i < last; i++) {
    let code = encode(parameters.first + i, 0, OUTPUT, ROUNDING, OVERFLOW, 0u);
    packed |= code << ((i - first) * OUTPUT_LANE_BITS);
  }
  codes[word] = packed;
}
