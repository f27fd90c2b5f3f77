// The row of every slot: that of the slot which its token travels for.
#include "kernels/thread.wgsl"

struct Parameters {
  slots: u32,
}

const NOWHERE = 0xffffffffu;

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> first_slots: array<u32>;
@group(0) @binding(2) var<storage, read> sent_rows: array<u32>;
@group(0) @binding(3) var<storage, read_write> rows: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn share_rows(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let slot = thread_index(workgroup, groups, local);
  if (slot >= parameters.slots) {
    return;
  }
  let first = first_slots[slot];
  var row = NOWHERE;
  if (first != NOWHERE) {
    row = sent_rows[first];
  }
  rows[slot] = row;
}
