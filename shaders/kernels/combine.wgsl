// Sums the rows of every token's slots rank by rank, and node by node, each sum rounded to bf16 before it travels.
#include "kernels/input.wgsl"
#include "kernels/output.wgsl"
#include "kernels/thread.wgsl"
#include "numerics/decode.wgsl"
#include "numerics/encode.wgsl"
#include "numerics/float.wgsl"

struct Parameters {
  // Elements of the result, columns of both, slots of a token, ranks of a node.
  count: u32,
  columns: u32,
  topk: u32,
  per_node: u32,
}

const NOWHERE = 0xffffffffu;

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read> slot_to_row: array<u32>;
@group(0) @binding(3) var<storage, read> slot_rank: array<u32>;
@group(0) @binding(4) var<storage, read> weights: array<u32>;
@group(0) @binding(5) var<storage, read_write> sums: array<u32>;

// One thread writes one word of values; the output is bf16.
@compute @workgroup_size(WORKGROUP_SIZE)
fn combine_slots(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let word = thread_index(workgroup, groups, local);
  let first = word << OUTPUT_LANE_SHIFT;
  if (first >= parameters.count) {
    return;
  }
  let last = min(first + OUTPUT_LANES, parameters.count);
  var packed = 0u;
  for (var i = first; i < last; i++) {
    let token = i / parameters.columns;
    let sum = sum_of(token, i - token * parameters.columns);
    packed |= encode(sum, 0, OUTPUT, NEAREST_EVEN, TO_INFINITY, 0u) << ((i - first) * OUTPUT_LANE_BITS);
  }
  sums[word] = packed;
}

fn rounded(sum: u32) -> u32 {
  return decode(encode(sum, 0, OUTPUT, NEAREST_EVEN, TO_INFINITY, 0u), OUTPUT);
}

// The least rank above `above` that a slot of the token is on, -1 for none; `above` is -1 at the start.
fn next_rank(token: u32, above: u32) -> u32 {
  var least = NOWHERE;
  for (var slot = token * parameters.topk; slot < (token + 1u) * parameters.topk; slot++) {
    let rank = slot_rank[slot];
    if (rank != NOWHERE && rank + 1u > above + 1u) {
      least = min(least, rank);
    }
  }
  return least;
}

fn sum_of(token: u32, column: u32) -> u32 {
  var total = 0u;
  var node_sum = 0u;
  var rank = next_rank(token, NOWHERE);
  while (rank != NOWHERE) {
    let sum = rounded(rank_sum(token, column, rank));
    let next = next_rank(token, rank);
    if (BY_NODE == 1) {
      node_sum = float_add(node_sum, sum);
      if (next == NOWHERE || next / parameters.per_node != rank / parameters.per_node) {
        total = float_add(total, rounded(node_sum));
        node_sum = 0u;
      }
    } else {
      total = float_add(total, sum);
    }
    rank = next;
  }
  return total;
}

fn rank_sum(token: u32, column: u32, rank: u32) -> u32 {
  var sum = 0u;
  for (var slot = token * parameters.topk; slot < (token + 1u) * parameters.topk; slot++) {
    if (slot_rank[slot] == rank) {
      let i = slot_to_row[slot] * parameters.columns + column;
      var weight = 0x3f800000u;
      if (WEIGHTED == 1) {
        weight = weights[slot];
      }
      sum = float_fma(decode(input_lane(x[i >> INPUT_LANE_SHIFT], i), INPUT), weight, sum);
    }
  }
  return sum;
}
