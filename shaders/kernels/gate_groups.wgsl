// Scores of groups of experts as keys, [groups, tokens], and the last group that a token keeps.
#include "kernels/gate_state.wgsl"
#include "kernels/thread.wgsl"
#include "numerics/gate.wgsl"

struct Parameters {
  tokens: u32,
  groups: u32,
  size: u32,
  kept: u32,
  // Whether groups are scored by the sum of their two best.
  top2: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read_write> group_keys: array<u32>;
@group(0) @binding(3) var<storage, read_write> state: array<u32>;
@group(0) @binding(4) var<storage, read_write> fates: array<u32>;

// One thread a group of a token.
@compute @workgroup_size(WORKGROUP_SIZE)
fn score_groups(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = thread_index(workgroup, groups, local);
  let tokens = parameters.tokens;
  if (i >= tokens * parameters.groups) {
    return;
  }
  let group = i / tokens;
  let token = i - group * tokens;
  var first = 0u;
  var second = 0u;
  for (var expert = group * parameters.size; expert < (group + 1u) * parameters.size; expert++) {
    let key = keys[expert * tokens + token];
    second = max(second, min(first, key));
    first = max(first, key);
  }
  if (parameters.top2 == 1u) {
    first = key_of(float_add(bits_of_key(first), bits_of_key(second)));
  }
  group_keys[i] = first;
}

// One thread a token. A group comes after another if its key is smaller, or the same and its index larger.
@compute @workgroup_size(WORKGROUP_SIZE)
fn choose_groups(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let token = thread_index(workgroup, groups, local);
  let tokens = parameters.tokens;
  if (token >= tokens) {
    return;
  }
  var last_key = 0xffffffffu;
  var last = 0u;
  var refused = false;
  for (var place = 0u; place <= parameters.kept; place++) {
    var best_key = 0u;
    var best = 0u;
    for (var group = 0u; group < parameters.groups; group++) {
      let key = group_keys[group * tokens + token];
      refused = refused || key == NAN_KEY;
      let after = key < last_key || (key == last_key && group > last && place > 0u);
      if (after && key > best_key) {
        best_key = key;
        best = group;
      }
    }
    if (place == parameters.kept) {
      state[GROUP_GAP * tokens + token] = gap_of(last_key, best_key);
    } else {
      last_key = best_key;
      last = best;
    }
  }
  state[LAST_GROUP_KEY * tokens + token] = last_key;
  state[LAST_GROUP * tokens + token] = last;
  if (refused) {
    fates[token] = max(fates[token], REFUSED);
  }
}
