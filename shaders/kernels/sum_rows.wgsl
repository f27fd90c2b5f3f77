// The sum of every row, in the order of columns, one rounding each.
#include "kernels/thread.wgsl"
#include "numerics/float.wgsl"

struct Parameters {
  rows: u32,
  columns: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> values: array<u32>;
@group(0) @binding(2) var<storage, read_write> sums: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn sum_rows(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let row = thread_index(workgroup, groups, local);
  if (row >= parameters.rows) {
    return;
  }
  var sum = 0u;
  for (var i = row * parameters.columns; i < (row + 1u) * parameters.columns; i++) {
    sum = float_add(sum, values[i]);
  }
  sums[row] = sum;
}
