// Messages over every link: one thread a link goes through the tokens of the ranks that use it. IB links first, then NVLink.
// WAY 0: each slot by itself, straight; 1: a token once a rank, straight; 2: once a node over IB, and there from the GPU of its own number.
#include "kernels/thread.wgsl"

struct Parameters {
  // Tokens of a rank, slots of a token, experts, experts of a rank, ranks, ranks of a node.
  tokens: u32,
  topk: u32,
  experts: u32,
  per_rank: u32,
  ranks: u32,
  per_node: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> topk_idx: array<u32>;
// [nodes, nodes], then [ranks, ranks].
@group(0) @binding(2) var<storage, read_write> messages: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn count_messages(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let link = thread_index(workgroup, groups, local);
  let nodes = parameters.ranks / parameters.per_node;
  if (link < nodes * nodes) {
    messages[link] = over_ib(link / nodes, link % nodes);
  } else if (link < nodes * nodes + parameters.ranks * parameters.ranks) {
    let pair = link - nodes * nodes;
    messages[link] = over_nvlink(pair / parameters.ranks, pair % parameters.ranks);
  }
}

// Messages of the tokens of the sender's ranks that go to the other node.
fn over_ib(sender: u32, receiver: u32) -> u32 {
  var count = 0u;
  if (sender == receiver) {
    return count;
  }
  for (var gpu = 0u; gpu < parameters.per_node; gpu++) {
    let rank = sender * parameters.per_node + gpu;
    for (var token = rank * parameters.tokens; token < (rank + 1u) * parameters.tokens; token++) {
      count += messages_to(token, receiver);
    }
  }
  return count;
}

// Messages of a token to a node that is not its own.
fn messages_to(token: u32, node: u32) -> u32 {
  let first = node * parameters.per_node;
  if (WAY != 1) {
    let slots = slots_at(token, first, parameters.per_node);
    return select(slots, min(slots, 1u), WAY == 2);
  }
  var count = 0u;
  for (var rank = first; rank < first + parameters.per_node; rank++) {
    count += min(slots_at(token, rank, 1u), 1u);
  }
  return count;
}

// Of the tokens of the sender itself, and of those that reached it over IB, the ones for its neighbour.
fn over_nvlink(sender: u32, receiver: u32) -> u32 {
  var count = 0u;
  if (sender == receiver || sender / parameters.per_node != receiver / parameters.per_node) {
    return count;
  }
  for (var rank = sender % parameters.per_node; rank < parameters.ranks; rank += parameters.per_node) {
    if (WAY == 2 || rank == sender) {
      for (var token = rank * parameters.tokens; token < (rank + 1u) * parameters.tokens; token++) {
        let slots = slots_at(token, receiver, 1u);
        count += select(slots, min(slots, 1u), WAY != 0);
      }
    }
  }
  return count;
}

// Slots of a token whose experts lie on ranks first to first + count - 1.
fn slots_at(token: u32, first: u32, count: u32) -> u32 {
  var slots = 0u;
  for (var slot = token * parameters.topk; slot < (token + 1u) * parameters.topk; slot++) {
    let expert = topk_idx[slot];
    if (expert < parameters.experts && expert / parameters.per_rank - first < count) {
      slots++;
    }
  }
  return slots;
}
