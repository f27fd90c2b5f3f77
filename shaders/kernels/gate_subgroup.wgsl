// The experts of every token, the best first: one subgroup a token, whatever its size. A lane looks only at its own experts, every lanes-th of them,
// and lanes meet in subgroup operations, not at barriers. An expert comes after another if its key is smaller, or the same and its index larger.
enable subgroups;
#include "kernels/gate_cooperative.wgsl"

const NONE = 0xffffffffu;

// [tokens, experts] and [tokens, groups]: each word is one lane's own.
@group(0) @binding(6) var<storage, read_write> keys: array<u32>;
@group(0) @binding(7) var<storage, read_write> group_keys: array<u32>;

// Subgroups of the workgroup that have their number.
var<workgroup> numbered: atomic<u32>;

// A lane, and what its subgroup works at: a token, or none where there are no experts.
struct Lane {
  index: u32,
  count: u32,
  token: u32,
  experts: u32,
  groups: u32,
}

// The softmax's largest logit and its sum; a sum of NaN where an exponential is none.
fn sum_softmax(lane: Lane) -> vec2<u32> {
  let first = lane.token * parameters.experts;
  var best = NAN_KEY;
  for (var expert = lane.index; expert < lane.experts; expert += lane.count) {
    best = max(best, key_of(logits[first + expert]));
  }
  let largest = bits_of_key(subgroupMax(best));
  var sum = vec2(0u, 0u);
  var defined = true;
  for (var expert = lane.index; expert < lane.experts; expert += lane.count) {
    let exponential = softmax_exponential(logits[first + expert], largest);
    defined = defined && !is_nan(exponential);
    sum = u64_add(sum, softmax_units(exponential));
  }
  let total = softmax_sum(units_of(subgroupAdd(parts_of(sum))));
  return vec2(largest, select(NAN_BITS, total, subgroupAll(defined)));
}

// Writes the lane's keys; true where one is NaN's.
fn rank_experts(lane: Lane, softmax: vec2<u32>) -> bool {
  var refused = false;
  for (var expert = lane.index; expert < lane.experts; expert += lane.count) {
    let key = key_of_expert(lane.token, expert, softmax.x, softmax.y);
    keys[lane.token * parameters.experts + expert] = key;
    refused = refused || key == NAN_KEY;
  }
  return refused;
}

// The first of the lanes' candidates, each a key and an index.
fn first_of_lanes(mine: vec2<u32>) -> vec2<u32> {
  let key = subgroupMax(mine.x);
  return vec2(key, subgroupMin(select(NONE, mine.y, mine.x == key)));
}

// A group's score as a key.
fn group_key(lane: Lane, group: u32) -> u32 {
  let begin = group * parameters.size;
  let end = min(begin + parameters.size, lane.experts);
  var first = 0u;
  var second = 0u;
  let skipped = (lane.index + lane.count - begin % lane.count) % lane.count;
  for (var expert = begin + skipped; expert < end; expert += lane.count) {
    let key = keys[lane.token * parameters.experts + expert];
    second = max(second, min(first, key));
    first = max(first, key);
  }
  let best = first_of_lanes(vec2(first, lane.index));
  if (TOP2 == 0u) {
    return best.x;
  }
  let next = subgroupMax(select(first, second, lane.index == best.y));
  return key_of(float_add(bits_of_key(best.x), bits_of_key(next)));
}

fn comes_after(key: u32, index: u32, last: vec2<u32>) -> bool {
  return key < last.x || (key == last.x && index > last.y);
}

// A set of groups: one bit each.
fn bit_of(group: u32) -> vec4<u32> {
  return select(vec4(0u), vec4(1u << (group % 32u)), vec4(group / 32u) == vec4(0u, 1u, 2u, 3u));
}

struct Groups {
  kept: vec4<u32>,
  gap: u32,
  refused: bool,
}

fn choose_groups(lane: Lane) -> Groups {
  var chosen_groups = Groups(vec4(0u), 0u, false);
  for (var group = 0u; group < parameters.groups; group++) {
    let key = group_key(lane, group);
    chosen_groups.refused = chosen_groups.refused || key == NAN_KEY;
    if (group % lane.count == lane.index && group < lane.groups) {
      group_keys[lane.token * parameters.groups + group] = key;
    }
  }
  // All come after it.
  var last = vec2(NONE, 0u);
  for (var place = 0u; place <= parameters.kept; place++) {
    var best = vec2(NAN_KEY, 0u);
    for (var group = lane.index; group < lane.groups; group += lane.count) {
      let key = group_keys[lane.token * parameters.groups + group];
      if (comes_after(key, group, last) && key > best.x) {
        best = vec2(key, group);
      }
    }
    let next = first_of_lanes(best);
    if (place == parameters.kept) {
      chosen_groups.gap = gap_of(last.x, next.x);
    } else {
      chosen_groups.kept |= bit_of(next.y);
    }
    last = next;
  }
  return chosen_groups;
}

// The lane's first expert after `last`, of those groups: its key and its index. The key of NaN where there is none.
fn best_after(lane: Lane, kept: vec4<u32>, last: vec2<u32>) -> vec2<u32> {
  var best = vec2(NAN_KEY, 0u);
  for (var expert = lane.index; expert < lane.experts; expert += lane.count) {
    let key = keys[lane.token * parameters.experts + expert];
    let open = LIMITED == 0u || any((kept & bit_of(expert / parameters.size)) != vec4(0u));
    if (open && comes_after(key, expert, last) && key > best.x) {
      best = vec2(key, expert);
    }
  }
  return best;
}

// The gap to the first expert that is not chosen.
fn choose_places(lane: Lane, kept: vec4<u32>) -> u32 {
  var last = vec2(NONE, 0u);
  var mine = best_after(lane, kept, last);
  for (var place = 0u; place < parameters.topk; place++) {
    last = first_of_lanes(mine);
    if (all(mine == last)) {
      if (lane.experts > 0u) {
        chosen[lane.token * parameters.topk + place] = last.y;
      }
      mine = best_after(lane, kept, last);
    }
  }
  let next = subgroupMax(mine.x);
  return select(gap_of(last.x, next), INFINITY_BITS, next == NAN_KEY);
}

fn route(lane: Lane) {
  var softmax = vec2(0u, 0u);
  if (SCORE == SOFTMAX) {
    softmax = sum_softmax(lane);
  }
  let refused = subgroupAny(rank_experts(lane, softmax));
  var groups = Groups(vec4(0u), 0u, false);
  if (LIMITED == 1u) {
    groups = choose_groups(lane);
  }
  let gap = choose_places(lane, groups.kept);
  if (lane.index == 0u && lane.experts > 0u) {
    keep_state(lane.token, softmax, gap, groups.gap, refused || groups.refused);
  }
}

// A workgroup takes as many tokens at once as it has whole subgroups, and goes on by all that are taken: the host does not know their size.
@compute @workgroup_size(WORKGROUP_SIZE)
fn choose_experts(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(subgroup_size) size: u32,
) {
  let index = subgroupExclusiveAdd(1u);
  let count = subgroupAdd(1u);
  // WGSL promises no order of a workgroup's threads in its subgroups, so that these number themselves. Without a barrier SwiftShader runs one
  // subgroup after the other and clears the counter for each.
  workgroupBarrier();
  var number = 0u;
  if (index == 0u) {
    number = atomicAdd(&numbered, 1u);
  }
  number = subgroupBroadcastFirst(number);
  let at_once = max(THREADS / size, 1u);
  let stride = workgroups.x * workgroups.y * at_once;
  let begin = (workgroup.y * workgroups.x + workgroup.x) * at_once;
  for (var first = begin; first < parameters.tokens; first += stride) {
    let token = first + number;
    let works = number < at_once && token < parameters.tokens;
    route(Lane(index, count, token, select(0u, parameters.experts, works), select(0u, parameters.groups, works)));
  }
}
