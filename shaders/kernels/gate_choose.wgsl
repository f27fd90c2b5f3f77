// The experts of every token, the best first: one thread a token. Each place takes the best expert that comes after the last one, so that
// nothing needs to be marked; the place behind the last chosen gives the gap.
#include "kernels/gate_state.wgsl"
#include "kernels/thread.wgsl"
#include "numerics/gate.wgsl"

struct Parameters {
  tokens: u32,
  experts: u32,
  size: u32,
  topk: u32,
  // Places begin to end - 1 are filled here; place topk is the gap.
  begin: u32,
  end: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read> group_keys: array<u32>;
@group(0) @binding(3) var<storage, read_write> state: array<u32>;
@group(0) @binding(4) var<storage, read_write> chosen: array<u32>;

fn keeps_group(group: u32, token: u32) -> bool {
  let tokens = parameters.tokens;
  let key = group_keys[group * tokens + token];
  let last = state[LAST_GROUP_KEY * tokens + token];
  return key > last || (key == last && group <= state[LAST_GROUP * tokens + token]);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn choose_experts(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let token = thread_index(workgroup, groups, local);
  let p = parameters;
  if (token >= p.tokens) {
    return;
  }
  var last_key = 0xffffffffu;
  var last = 0u;
  var started = p.begin > 0u;
  if (started) {
    last_key = state[LAST_KEY * p.tokens + token];
    last = state[LAST_EXPERT * p.tokens + token];
  }
  for (var place = p.begin; place < p.end; place++) {
    var best_key = 0u;
    var best = 0u;
    for (var start = 0u; start < p.experts; start += p.size) {
      if (LIMITED == 1u && !keeps_group(start / p.size, token)) {
        continue;
      }
      for (var expert = start; expert < start + p.size; expert++) {
        let key = keys[expert * p.tokens + token];
        let after = key < last_key || (key == last_key && expert > last && started);
        if (after && key > best_key) {
          best_key = key;
          best = expert;
        }
      }
    }
    if (place == p.topk) {
      // No key is below that of NaN: then there was no other expert.
      state[GAP * p.tokens + token] = select(gap_of(last_key, best_key), INFINITY_BITS, best_key == NAN_KEY);
    } else {
      chosen[token * p.topk + place] = best;
      last_key = best_key;
      last = best;
      started = true;
    }
  }
  state[LAST_KEY * p.tokens + token] = last_key;
  state[LAST_EXPERT * p.tokens + token] = last;
}
