// The bias of every expert moved against its load: one thread an expert. The load times the number of experts is held against the sum of
// all loads, in integers: no mean is rounded.
#include "kernels/thread.wgsl"
#include "numerics/float.wgsl"

struct Parameters {
  experts: u32,
  gamma: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> bias: array<u32>;
@group(0) @binding(2) var<storage, read> load: array<u32>;
@group(0) @binding(3) var<storage, read_write> moved: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn update_bias(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let expert = thread_index(workgroup, groups, local);
  if (expert >= parameters.experts) {
    return;
  }
  var total = vec2(0u, 0u);
  for (var i = 0u; i < parameters.experts; i++) {
    total = u64_add(total, vec2(load[i], 0u));
  }
  let own = u64_multiply(load[expert], parameters.experts);
  var bits = bias[expert];
  if (u64_less(own, total)) {
    bits = float_add(bits, parameters.gamma);
  } else if (u64_less(total, own)) {
    bits = float_add(bits, parameters.gamma ^ SIGN_BIT);
  }
  moved[expert] = bits;
}
