// The adapter's own speed at what a product in registers does: 8 x 8 sums a thread, each given a product at every turn, the factors in
// registers and nothing in memory. What a product lacks to this it spends on bringing its operands.
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
  let y = bitcast<f32>(parameters.factor);
  let z = bitcast<f32>(parameters.addend);
#each g 2
  var low_x$g = vec4(f32(thread), 1, 2, 3) * y + f32($g);
  var high_x$g = vec4(4, 5, f32(thread), 6) * y + f32($g);
  var low_y$g = vec4(f32(thread), 3, 2, 1) * z + f32($g);
  var high_y$g = vec4(6, f32(thread), 5, 4) * z + f32($g);
#end
#each g 2
#each r 4
#each c 2
  var sum$g$r$c = vec4<f32>();
#end
#end
#end
  for (var i = 0u; i < parameters.turns; i++) {
#each g 2
#each r 4
#each c 2
    sum$g$r$c = (sum$g$r$c + low_x$g[$r] * low_y$c) + high_x$g[$r] * high_y$c;
#end
#end
#end
    // Other factors every turn: or the compiler would take the products out of the loop.
#each g 2
    low_x$g = low_x$g.yzwx;
    high_x$g = high_x$g.wxyz;
    low_y$g = low_y$g * y;
    high_y$g = high_y$g * y;
#end
  }
  var sum = vec4<f32>();
#each g 2
#each r 4
#each c 2
  sum += sum$g$r$c;
#end
#end
#end
  sums[thread] = bitcast<vec4<u32>>(sum);
}
