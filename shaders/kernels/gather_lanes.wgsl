// Copies rows that do not fill words to where a map wants them; the result begins as zeros.
#include "kernels/thread.wgsl"

struct Parameters {
  // Rows of the result, lanes of a row, slots of a token; the first token of the source, and how many it has.
  rows: u32,
  width: u32,
  topk: u32,
  first_token: u32,
  tokens: u32,
}

const NOWHERE = 0xffffffffu;
const LANE_BITS = 32u >> LANE_SHIFT;
const LANE_MASK = 0xffffffffu >> (32u - LANE_BITS);

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read> row_to_slot: array<u32>;
@group(0) @binding(3) var<storage, read_write> moved: array<u32>;

// One thread writes one word, which may hold lanes of several rows.
@compute @workgroup_size(WORKGROUP_SIZE)
fn gather_lanes(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let word = thread_index(workgroup, groups, local);
  let count = parameters.rows * parameters.width;
  let first = word << LANE_SHIFT;
  if (first >= count) {
    return;
  }
  let last = min(first + (1u << LANE_SHIFT), count);
  var packed = moved[word];
  for (var i = first; i < last; i++) {
    packed |= lane_of(i) << ((i - first) * LANE_BITS);
  }
  moved[word] = packed;
}

// The lane that element `index` of the result takes from this source; zero where another source has it.
fn lane_of(index: u32) -> u32 {
  let row = index / parameters.width;
  let slot = row_to_slot[row];
  let token = slot / parameters.topk - parameters.first_token;
  if (slot == NOWHERE || token >= parameters.tokens) {
    return 0u;
  }
  let i = token * parameters.width + (index - row * parameters.width);
  return (x[i >> LANE_SHIFT] >> ((i & ((1u << LANE_SHIFT) - 1u)) * LANE_BITS)) & LANE_MASK;
}
