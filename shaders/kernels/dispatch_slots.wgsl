// The rank that a slot's token travels to: for the first slot of each rank alone, so that a token travels to a rank once.
#include "kernels/thread.wgsl"

struct Parameters {
  // Slots, slots of a token, experts, experts of a rank.
  slots: u32,
  topk: u32,
  experts: u32,
  per_rank: u32,
}

const NOWHERE = 0xffffffffu;

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> topk_idx: array<u32>;
// Rank of every first slot; -1 for the others.
@group(0) @binding(2) var<storage, read_write> ranks: array<u32>;
// The slot of the same token that its rank is sent for; -1 where there is no expert.
@group(0) @binding(3) var<storage, read_write> first_slots: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn find_ranks(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let slot = thread_index(workgroup, groups, local);
  if (slot >= parameters.slots) {
    return;
  }
  let expert = topk_idx[slot];
  if (expert >= parameters.experts) {
    ranks[slot] = NOWHERE;
    first_slots[slot] = NOWHERE;
    return;
  }
  let rank = expert / parameters.per_rank;
  var first = slot / parameters.topk * parameters.topk;
  while (topk_idx[first] >= parameters.experts || topk_idx[first] / parameters.per_rank != rank) {
    first++;
  }
  ranks[slot] = select(NOWHERE, rank, first == slot);
  first_slots[slot] = first;
}
