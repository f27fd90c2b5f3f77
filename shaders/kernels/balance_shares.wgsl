// Every token's scores over their sum, [experts, tokens]: one thread a token. A refused token, whose gap is NaN, has none.
#include "kernels/thread.wgsl"
#include "numerics/gate.wgsl"

struct Parameters {
  tokens: u32,
  experts: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> logits: array<u32>;
@group(0) @binding(2) var<storage, read> gaps: array<u32>;
@group(0) @binding(3) var<storage, read_write> shares: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn share_scores(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let token = thread_index(workgroup, groups, local);
  let p = parameters;
  if (token >= p.tokens) {
    return;
  }
  let first = token * p.experts;
  var largest = 0u;
  var sum = 0u;
  if (SCORE == SOFTMAX) {
    var best = 0u;
    for (var expert = 0u; expert < p.experts; expert++) {
      best = max(best, key_of(logits[first + expert]));
    }
    largest = bits_of_key(best);
    var exponentials = vec2(0u, 0u);
    for (var expert = 0u; expert < p.experts; expert++) {
      exponentials = u64_add(exponentials, softmax_units(softmax_exponential(logits[first + expert], largest)));
    }
    sum = softmax_sum(exponentials);
  }
  let refused = is_nan(gaps[token]);
  var units = vec2(0u, 0u);
  for (var expert = 0u; expert < p.experts; expert++) {
    var score = 0u;
    if (!refused) {
      score = score_of(SCORE, logits[first + expert], largest, sum);
    }
    shares[expert * p.tokens + token] = score;
    units = u64_add(units, softmax_units(score));
  }
  if (u64_is_zero(units)) {
    for (var expert = 0u; expert < p.experts; expert++) {
      shares[expert * p.tokens + token] = 0u;
    }
    return;
  }
  let total = softmax_sum(units);
  for (var expert = 0u; expert < p.experts; expert++) {
    shares[expert * p.tokens + token] = float_div(shares[expert * p.tokens + token], total);
  }
}
