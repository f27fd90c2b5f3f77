// The row of every slot: its expert's first row, the rows of the blocks before, and those before it in its block.
#include "kernels/thread.wgsl"

struct Parameters {
  // Slots of the band, experts, slots of a block, and the band's first block.
  slots: u32,
  experts: u32,
  block: u32,
  first_block: u32,
  // Words of the bases from an expert, and from a block, to the next.
  expert_step: u32,
  block_step: u32,
}

const NOWHERE = 0xffffffffu;

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> topk_idx: array<u32>;
@group(0) @binding(2) var<storage, read> ranks: array<u32>;
@group(0) @binding(3) var<storage, read> bases: array<u32>;
@group(0) @binding(4) var<storage, read> offsets: array<u32>;
@group(0) @binding(5) var<storage, read_write> rows: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn find_rows(
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
    rows[slot] = NOWHERE;
    return;
  }
  let block = parameters.first_block + slot / parameters.block;
  let base = bases[block * parameters.block_step + expert * parameters.expert_step];
  rows[slot] = offsets[expert] + base + ranks[slot];
}
