// What a rank receives with its rows: whose token it is, and which of its slots are the rank's own.
#include "kernels/thread.wgsl"

struct Parameters {
  // Rows, slots of a token, experts, experts of a rank, tokens of a rank.
  rows: u32,
  topk: u32,
  experts: u32,
  per_rank: u32,
  tokens: u32,
}

const NOWHERE = 0xffffffffu;

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> row_to_slot: array<u32>;
@group(0) @binding(2) var<storage, read> topk_idx: array<u32>;
@group(0) @binding(3) var<storage, read> weights: array<u32>;
@group(0) @binding(4) var<storage, read_write> source: array<u32>;
@group(0) @binding(5) var<storage, read_write> recv_idx: array<u32>;
@group(0) @binding(6) var<storage, read_write> recv_weights: array<u32>;

// One thread writes one row.
@compute @workgroup_size(WORKGROUP_SIZE)
fn describe_rows(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let row = thread_index(workgroup, groups, local);
  if (row >= parameters.rows) {
    return;
  }
  let slot = row_to_slot[row];
  let token = slot / parameters.topk;
  let padding = slot == NOWHERE;
  source[2u * row] = select(token / parameters.tokens, NOWHERE, padding);
  source[2u * row + 1u] = select(token % parameters.tokens, NOWHERE, padding);
  if (WITH_SLOTS == 0) {
    return;
  }
  var rank = NOWHERE;
  if (!padding) {
    rank = topk_idx[slot] / parameters.per_rank;
  }
  for (var k = 0u; k < parameters.topk; k++) {
    var expert = NOWHERE;
    var weight = 0u;
    if (!padding) {
      let i = token * parameters.topk + k;
      if (topk_idx[i] < parameters.experts && topk_idx[i] / parameters.per_rank == rank) {
        expert = topk_idx[i] - rank * parameters.per_rank;
        weight = weights[i];
      }
    }
    recv_idx[row * parameters.topk + k] = expert;
    recv_weights[row * parameters.topk + k] = weight;
  }
}
