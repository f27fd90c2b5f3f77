// The balance loss from counts: how often each expert was chosen, times its mean share of the scores.
#include "kernels/thread.wgsl"
#include "numerics/whole.wgsl"

struct Parameters {
  experts: u32,
  // f32: all slots, all tokens, the loss's factor.
  slots: u32,
  tokens: u32,
  alpha: u32,
  refused: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> units: array<u32>;
@group(0) @binding(2) var<storage, read> load: array<u32>;
@group(0) @binding(3) var<storage, read_write> fractions: array<u32>;
@group(0) @binding(4) var<storage, read_write> means: array<u32>;
@group(0) @binding(5) var<storage, read_write> loss: array<u32>;

// One thread an expert.
@compute @workgroup_size(WORKGROUP_SIZE)
fn relate_counts(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let expert = thread_index(workgroup, groups, local);
  if (expert >= parameters.experts) {
    return;
  }
  fractions[expert] = float_div(float_of_whole(u64_multiply(load[expert], parameters.experts)), parameters.slots);
  let sum = vec2(units[2u * expert], units[2u * expert + 1u]);
  var mean = 0u;
  if (!u64_is_zero(sum)) {
    mean = float_div(float_from_u64(0u, -36, sum), parameters.tokens);
  }
  means[expert] = mean;
}

// One thread: the sum has an order.
@compute @workgroup_size(WORKGROUP_SIZE)
fn sum_loss(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  if (thread_index(workgroup, groups, local) > 0u) {
    return;
  }
  var sum = 0u;
  for (var expert = 0u; expert < parameters.experts; expert++) {
    sum = float_fma(fractions[expert], means[expert], sum);
  }
  loss[0] = select(float_mul(parameters.alpha, sum), NAN_BITS, parameters.refused == 1u);
}
