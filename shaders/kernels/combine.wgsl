// Sums the rows of every token's slots rank by rank, and node by node, each sum rounded to bf16 before it travels.
#include "kernels/thread.wgsl"
#include "numerics/float.wgsl"
#include "numerics/wide.wgsl"

struct Parameters {
  input: Format,
  output: Format,
  // Elements of the result, columns of both, slots of a token.
  count: u32,
  columns: u32,
  topk: u32,
  // Ranks whose sums are summed on their node, and rounded again; NOWHERE, more than there are, where each rank sends its own.
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
  let output = parameters.output;
  let first = word << wide_shift(output);
  if (first >= parameters.count) {
    return;
  }
  let last = min(first + (1u << wide_shift(output)), parameters.count);
  var packed = 0u;
  for (var i = first; i < last; i++) {
    let token = i / parameters.columns;
    let sum = sum_of(token, i - token * parameters.columns);
    packed |= wide_code(sum, i, output);
  }
  sums[word] = packed;
}

fn rounded(sum: u32) -> u32 {
  return wide_value(wide_code(sum, 0u, parameters.output), 0u, parameters.output);
}

// The least rank that a slot of the token is on.
fn first_rank(token: u32) -> u32 {
  var least = NOWHERE;
  for (var slot = token * parameters.topk; slot < (token + 1u) * parameters.topk; slot++) {
    least = min(least, slot_rank[slot]);
  }
  return least;
}

fn sum_of(token: u32, column: u32) -> u32 {
  let per_node = parameters.per_node;
  var total = 0u;
  var rank = first_rank(token);
  while (rank != NOWHERE) {
    var node_sum = 0u;
    let end = (rank / per_node + 1u) * per_node;
    while (rank < end) {
      let sum = sum_of_rank(token, column, rank);
      node_sum = float_add(node_sum, rounded(sum.bits));
      rank = sum.next;
    }
    total = float_add(total, select(rounded(node_sum), node_sum, per_node == NOWHERE));
  }
  return total;
}

struct RankSum {
  bits: u32,
  // The least rank above that a slot of the token is on.
  next: u32,
}

fn sum_of_rank(token: u32, column: u32, rank: u32) -> RankSum {
  let input = parameters.input;
  var sum = RankSum(0u, NOWHERE);
  for (var slot = token * parameters.topk; slot < (token + 1u) * parameters.topk; slot++) {
    let other = slot_rank[slot];
    sum.next = select(sum.next, min(sum.next, other), other > rank);
    if (other == rank) {
      let i = slot_to_row[slot] * parameters.columns + column;
      let value = wide_value(x[i >> wide_shift(input)], i, input);
      if (WEIGHTED == 1) {
        sum.bits = float_fma(value, weights[slot], sum.bits);
      } else {
        sum.bits = float_add(value, sum.bits);
      }
    }
  }
  return sum;
}
