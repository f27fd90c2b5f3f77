// Copies rows of whole words to where a map wants them; the result begins as zeros, and rows that others hold stay as they are.
#include "kernels/thread.wgsl"

struct Parameters {
  // Rows of the result, words of a row, slots of a token; the first token of the source, and how many it has.
  rows: u32,
  width: u32,
  topk: u32,
  first_token: u32,
  tokens: u32,
  threads_per_row: u32,
}

const NOWHERE = 0xffffffffu;

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read> row_to_slot: array<u32>;
@group(0) @binding(3) var<storage, read_write> moved: array<u32>;

// A thread copies every threads_per_row-th word of a row, so that neighbours read neighbours.
@compute @workgroup_size(WORKGROUP_SIZE)
fn gather_words(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let thread = thread_index(workgroup, groups, local);
  let row = thread / parameters.threads_per_row;
  if (row >= parameters.rows) {
    return;
  }
  let slot = row_to_slot[row];
  let token = slot / parameters.topk - parameters.first_token;
  if (slot == NOWHERE || token >= parameters.tokens) {
    return;
  }
  let first = thread - row * parameters.threads_per_row;
  let source = token * parameters.width;
  let destination = row * parameters.width;
  for (var i = first; i < parameters.width; i += parameters.threads_per_row) {
    moved[destination + i] = x[source + i];
  }
}
