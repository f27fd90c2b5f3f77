// The experts of every token, the best first. Blocks of consecutive experts keep their best; each place takes the best block's and looks through
// that block for the next. Nothing is marked: an expert comes after another if its key is smaller, or the same and its index larger.
#include "kernels/gate_state.wgsl"
#include "kernels/thread.wgsl"
#include "numerics/gate.wgsl"

struct Parameters {
  tokens: u32,
  experts: u32,
  // Experts of a group, and of a block: a block lies in one group.
  size: u32,
  width: u32,
  blocks: u32,
  topk: u32,
  // Places begin to end - 1 are filled here; place topk is the gap.
  begin: u32,
  end: u32,
  // Whether only some groups are kept.
  limited: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read> group_keys: array<u32>;
@group(0) @binding(3) var<storage, read_write> state: array<u32>;
// Key and expert of every block's best, [blocks, 2, tokens].
@group(0) @binding(4) var<storage, read_write> bests: array<u32>;
@group(0) @binding(5) var<storage, read_write> chosen: array<u32>;

fn keeps_group(group: u32, token: u32) -> bool {
  let tokens = parameters.tokens;
  let key = group_keys[group * tokens + token];
  let last = state[LAST_GROUP_KEY * tokens + token];
  return key > last || (key == last && group <= state[LAST_GROUP * tokens + token]);
}

// The best expert of a block that comes after `last`: its key and its index. The key of NaN where there is none.
fn best_after(block: u32, token: u32, last_key: u32, last: u32) -> vec2<u32> {
  let first = block * parameters.width;
  let end = min(first + parameters.width, parameters.experts);
  var best = vec2(NAN_KEY, 0u);
  for (var expert = first; expert < end; expert++) {
    let key = keys[expert * parameters.tokens + token];
    let after = key < last_key || (key == last_key && expert > last);
    if (after && key > best.x) {
      best = vec2(key, expert);
    }
  }
  return best;
}

fn keep_best(block: u32, token: u32, best: vec2<u32>) {
  bests[2u * block * parameters.tokens + token] = best.x;
  bests[(2u * block + 1u) * parameters.tokens + token] = best.y;
}

// One thread a block of a token.
@compute @workgroup_size(WORKGROUP_SIZE)
fn best_of_blocks(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = thread_index(workgroup, groups, local);
  let p = parameters;
  if (i >= p.tokens * p.blocks) {
    return;
  }
  let block = i / p.tokens;
  let token = i - block * p.tokens;
  var best = vec2(NAN_KEY, 0u);
  if (p.limited == 0u || keeps_group(block * p.width / p.size, token)) {
    // No key is larger, so that all come after it.
    best = best_after(block, token, 0xffffffffu, 0u);
  }
  keep_best(block, token, best);
}

// One thread a token.
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
  var last_key = 0u;
  if (p.begin > 0u) {
    last_key = state[LAST_KEY * p.tokens + token];
  }
  for (var place = p.begin; place < p.end; place++) {
    var best_key = NAN_KEY;
    var best_block = 0u;
    for (var block = 0u; block < p.blocks; block++) {
      let key = bests[2u * block * p.tokens + token];
      if (key > best_key) {
        best_key = key;
        best_block = block;
      }
    }
    if (place == p.topk) {
      // No key is below that of NaN: then there was no other expert.
      state[GAP * p.tokens + token] = select(gap_of(last_key, best_key), INFINITY_BITS, best_key == NAN_KEY);
    } else {
      let expert = bests[(2u * best_block + 1u) * p.tokens + token];
      chosen[token * p.topk + place] = expert;
      last_key = best_key;
      keep_best(best_block, token, best_after(best_block, token, best_key, expert));
    }
  }
  state[LAST_KEY * p.tokens + token] = last_key;
}
