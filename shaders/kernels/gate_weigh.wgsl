// Weights of the chosen experts, what goes to every expert, and -1 where a token goes nowhere: one thread a token.
#include "kernels/gate_state.wgsl"
#include "kernels/thread.wgsl"
#include "numerics/gate.wgsl"

struct Parameters {
  tokens: u32,
  experts: u32,
  topk: u32,
  shared_experts: u32,
  route_scale: u32,
  // Whether weights are divided by their sum.
  by_sum: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> logits: array<u32>;
@group(0) @binding(2) var<storage, read> chosen: array<u32>;
@group(0) @binding(3) var<storage, read> fates: array<u32>;
@group(0) @binding(4) var<storage, read_write> state: array<u32>;
@group(0) @binding(5) var<storage, read_write> experts: array<u32>;
@group(0) @binding(6) var<storage, read_write> weights: array<u32>;
@group(0) @binding(7) var<storage, read_write> load: array<atomic<u32>>;

const NO_EXPERT = 0xffffffffu;
// 1e-20.
const SUM_START = 0x1e3ce508u;

fn logit_of(token: u32, expert: u32) -> u32 {
  return logits[token * parameters.experts + expert];
}

fn chosen_score(token: u32, expert: u32) -> u32 {
  let tokens = parameters.tokens;
  if (SCORE == SOFTMAX) {
    return score_of(SCORE, logit_of(token, expert), state[LARGEST * tokens + token], state[SUM * tokens + token]);
  }
  return score_of(SCORE, logit_of(token, expert), 0u, 0u);
}

// Writes the scores of the chosen in place of their weights and gives what each is divided by.
fn gather_scores(token: u32, first: u32) -> u32 {
  let p = parameters;
  var sum = SUM_START;
  for (var slot = 0u; slot < p.topk; slot++) {
    let expert = chosen[token * p.topk + slot];
    if (expert == NO_EXPERT) {
      continue;
    }
    let score = chosen_score(token, expert);
    weights[first + slot] = score;
    if (p.by_sum == 1u) {
      sum = float_add(sum, score);
    }
  }
  return select(ONE_BITS, sum, p.by_sum == 1u);
}

// The same for a softmax over the chosen logits: their exponentials.
fn gather_exponentials(token: u32, first: u32) -> u32 {
  let p = parameters;
  var best = 0u;
  var largest = NAN_BITS;
  for (var slot = 0u; slot < p.topk; slot++) {
    let expert = chosen[token * p.topk + slot];
    if (expert == NO_EXPERT) {
      continue;
    }
    let bits = logit_of(token, expert);
    let key = key_of(bits);
    if (key > best) {
      best = key;
      largest = bits;
    }
  }
  var units = vec2(0u, 0u);
  for (var slot = 0u; slot < p.topk; slot++) {
    let expert = chosen[token * p.topk + slot];
    if (expert == NO_EXPERT) {
      continue;
    }
    let exponential = softmax_exponential(logit_of(token, expert), largest);
    weights[first + slot] = exponential;
    // What is no number shows in its own weight.
    if (!is_nan(exponential)) {
      units = u64_add(units, softmax_units(exponential));
    }
  }
  return softmax_sum(units);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn weigh_experts(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let token = thread_index(workgroup, groups, local);
  let p = parameters;
  if (token >= p.tokens) {
    return;
  }
  let slots = p.topk + p.shared_experts;
  let first = token * slots;
  var routed = fates[token] == ROUTED;
  if (routed) {
    var divisor = 0u;
    if (BY_SOFTMAX == 1) {
      divisor = gather_exponentials(token, first);
    } else {
      divisor = gather_scores(token, first);
    }
    for (var slot = 0u; slot < p.topk; slot++) {
      let expert = chosen[token * p.topk + slot];
      var weight = 0u;
      if (expert != NO_EXPERT) {
        weight = float_mul(float_div(weights[first + slot], divisor), p.route_scale);
      }
      weights[first + slot] = weight;
      routed = routed && !is_nan(weight);
    }
  }
  for (var slot = 0u; slot < slots; slot++) {
    var expert = NO_EXPERT;
    if (routed && slot < p.topk) {
      expert = chosen[token * p.topk + slot];
      if (expert != NO_EXPERT) {
        atomicAdd(&load[expert], 1u);
      }
    } else if (routed) {
      expert = p.experts + slot - p.topk;
      weights[first + slot] = ONE_BITS;
    } else {
      weights[first + slot] = 0u;
    }
    experts[first + slot] = expert;
  }
  if (!routed) {
    let gap = select(NAN_BITS, INFINITY_BITS, fates[token] == MASKED);
    state[GAP * p.tokens + token] = gap;
    state[GROUP_GAP * p.tokens + token] = gap;
  }
}
