// The adapter's own speed at single-precision multiply-adds, nothing in memory: VECTORS independent vectors a thread, sixteen steps a turn.
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
  let start = vec4(f32(thread) + 1);
  let y = vec4(bitcast<f32>(parameters.factor));
  let z = vec4(bitcast<f32>(parameters.addend));
#each v VECTORS
  var s$v = start + f32($v) * z;
#end
  for (var i = 0u; i < parameters.turns; i++) {
#each u 16
#each v VECTORS
    s$v = s$v * y + z;
#end
#end
  }
  var sum = start;
#each v VECTORS
  sum += s$v;
#end
  sums[thread] = bitcast<vec4<u32>>(sum);
}
