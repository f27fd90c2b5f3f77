// How many slots of each expert a block of slots has, and how many of a slot's expert stand before it in its block.
#include "kernels/thread.wgsl"

struct Parameters {
  // Slots of the band, experts, slots of a block, and the band's first block.
  slots: u32,
  experts: u32,
  block: u32,
  first_block: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> topk_idx: array<u32>;
// Zeros; [blocks, experts].
@group(0) @binding(2) var<storage, read_write> counts: array<u32>;
@group(0) @binding(3) var<storage, read_write> ranks: array<u32>;

// One thread goes through one block: its row of counts is its own.
@compute @workgroup_size(WORKGROUP_SIZE)
fn count_blocks(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let thread = thread_index(workgroup, groups, local);
  let first = thread * parameters.block;
  if (first >= parameters.slots) {
    return;
  }
  let row = (parameters.first_block + thread) * parameters.experts;
  let last = min(first + parameters.block, parameters.slots);
  for (var slot = first; slot < last; slot++) {
    let expert = topk_idx[slot];
    // -1 is no expert.
    if (expert < parameters.experts) {
      let before = counts[row + expert];
      ranks[slot] = before;
      counts[row + expert] = before + 1u;
    }
  }
}
