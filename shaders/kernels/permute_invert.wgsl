// Enters slots into their rows. No two slots have the same row.
#include "kernels/thread.wgsl"

struct Parameters {
  // Slots of the band and its first slot; the first row of the result and how many there are.
  slots: u32,
  first_slot: u32,
  first_row: u32,
  rows: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> slot_to_row: array<u32>;
@group(0) @binding(2) var<storage, read_write> row_to_slot: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn invert_slots(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let slot = thread_index(workgroup, groups, local);
  if (slot >= parameters.slots) {
    return;
  }
  // -1, and rows before the first, are past the last as unsigned numbers.
  let row = slot_to_row[slot] - parameters.first_row;
  if (row < parameters.rows && slot_to_row[slot] != 0xffffffffu) {
    row_to_slot[row] = parameters.first_slot + slot;
  }
}
