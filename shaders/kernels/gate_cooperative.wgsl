// What kernels share whose threads choose a token's experts together.
#include "kernels/gate_state.wgsl"
#include "numerics/gate.wgsl"

struct Parameters {
  tokens: u32,
  experts: u32,
  topk: u32,
  groups: u32,
  // Experts of a group, and groups that a token keeps.
  size: u32,
  kept: u32,
}

const THREADS = u32(WORKGROUP_SIZE);

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> logits: array<u32>;
@group(0) @binding(2) var<storage, read> bias: array<u32>;
@group(0) @binding(3) var<storage, read_write> state: array<u32>;
@group(0) @binding(4) var<storage, read_write> fates: array<u32>;
@group(0) @binding(5) var<storage, read_write> chosen: array<u32>;

// The key of a score + bias; largest and sum are the softmax's.
fn key_of_expert(token: u32, expert: u32, largest: u32, sum: u32) -> u32 {
  var ranked = score_of(SCORE, logits[token * parameters.experts + expert], largest, sum);
  if (HAS_BIAS == 1u) {
    ranked = float_add(ranked, bias[expert]);
  }
  return key_of(ranked);
}

// Units of a softmax's sum as two parts, to be added each on its own: up to 2^14 exponentials of 2^36 units stay below 2^32 in both.
const LOW_UNITS = 20u;

fn parts_of(units: vec2<u32>) -> vec2<u32> {
  return vec2(units.x & ((1u << LOW_UNITS) - 1u), (units.y << (32u - LOW_UNITS)) | (units.x >> LOW_UNITS));
}

fn units_of(parts: vec2<u32>) -> vec2<u32> {
  return u64_add(vec2(parts.x, 0u), u64_shift_left(vec2(parts.y, 0u), LOW_UNITS));
}

// What the token's weights and the caller want to know of the choice.
fn keep_state(token: u32, softmax: vec2<u32>, gap: u32, group_gap: u32, refused: bool) {
  let tokens = parameters.tokens;
  state[LARGEST * tokens + token] = softmax.x;
  state[SUM * tokens + token] = softmax.y;
  state[GAP * tokens + token] = gap;
  state[GROUP_GAP * tokens + token] = group_gap;
  if (refused) {
    fates[token] = max(fates[token], REFUSED);
  }
}
