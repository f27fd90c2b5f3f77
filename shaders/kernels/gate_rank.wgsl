// Keys of score + bias, [experts, tokens]: one thread an expert of a token.
#include "kernels/gate_state.wgsl"
#include "kernels/thread.wgsl"
#include "numerics/gate.wgsl"

struct Parameters {
  tokens: u32,
  experts: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> logits: array<u32>;
@group(0) @binding(2) var<storage, read> bias: array<u32>;
@group(0) @binding(3) var<storage, read> state: array<u32>;
@group(0) @binding(4) var<storage, read_write> keys: array<u32>;
@group(0) @binding(5) var<storage, read_write> fates: array<atomic<u32>>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn rank_experts(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = thread_index(workgroup, groups, local);
  let tokens = parameters.tokens;
  if (i >= tokens * parameters.experts) {
    return;
  }
  let expert = i / tokens;
  let token = i - expert * tokens;
  let logit = logits[token * parameters.experts + expert];
  var ranked = 0u;
  if (SCORE == SOFTMAX) {
    ranked = score_of(SCORE, logit, state[LARGEST * tokens + token], state[SUM * tokens + token]);
  } else {
    ranked = score_of(SCORE, logit, 0u, 0u);
  }
  if (HAS_BIAS == 1u) {
    ranked = float_add(ranked, bias[expert]);
  }
  let key = key_of(ranked);
  keys[i] = key;
  if (key == NAN_KEY) {
    atomicMax(&fates[token], REFUSED);
  }
}
