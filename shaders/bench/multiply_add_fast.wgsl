// The adapter's own speed at single-precision multiply-adds: sixteen independent vectors a thread, nothing in memory.
#include "kernels/thread.wgsl"

struct Parameters {
  turns: u32,
  // f32 bits of a factor and an addend, unknown to the compiler.
  factor: u32,
  addend: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read_write> sums: array<vec4<u32>>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn multiply_add(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let thread = thread_index(workgroup, groups, local);
  let start = f32(thread) + 1;
  let y = vec4(bitcast<f32>(parameters.factor));
  let z = vec4(bitcast<f32>(parameters.addend));
  var s0 = vec4(start);
  var s1 = s0 + z;
  var s2 = s1 + z;
  var s3 = s2 + z;
  var s4 = s3 + z;
  var s5 = s4 + z;
  var s6 = s5 + z;
  var s7 = s6 + z;
  for (var i = 0u; i < parameters.turns; i++) {
    s0 = s0 * y + z;
    s1 = s1 * y + z;
    s2 = s2 * y + z;
    s3 = s3 * y + z;
    s4 = s4 * y + z;
    s5 = s5 * y + z;
    s6 = s6 * y + z;
    s7 = s7 * y + z;
  }
  sums[thread] = bitcast<vec4<u32>>(s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7);
}
