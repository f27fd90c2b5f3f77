// The largest logit of every token, and the sum of e^(logit - largest): one thread a token.
#include "kernels/gate_state.wgsl"
#include "kernels/thread.wgsl"
#include "numerics/gate.wgsl"

struct Parameters {
  tokens: u32,
  experts: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> logits: array<u32>;
@group(0) @binding(2) var<storage, read_write> state: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn sum_softmax(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let token = thread_index(workgroup, groups, local);
  if (token >= parameters.tokens) {
    return;
  }
  let first = token * parameters.experts;
  let end = first + parameters.experts;
  var best = 0u;
  var largest = NAN_BITS;
  for (var i = first; i < end; i++) {
    let bits = logits[i];
    let key = key_of(bits);
    if (key > best) {
      best = key;
      largest = bits;
    }
  }
  var units = vec2(0u, 0u);
  var defined = true;
  for (var i = first; i < end; i++) {
    let bits = logits[i];
    let exponential = softmax_exponential(bits, largest);
    defined = defined && !is_nan(exponential);
    units = u64_add(units, softmax_units(exponential));
  }
  state[LARGEST * parameters.tokens + token] = select(NAN_BITS, largest, defined);
  state[SUM * parameters.tokens + token] = select(NAN_BITS, softmax_sum(units), defined);
}
