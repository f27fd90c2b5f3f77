// Fused sums from a given accumulator, row i of A by row i of B: what a recorded tensor-core output is. For the tests alone.
#include "kernels/gemm_aligned.wgsl"

@compute @workgroup_size(WORKGROUP_SIZE)
fn diagonal_steps(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let group = thread_index(workgroup, groups, local);
  if (group >= parameters.row_groups) {
    return;
  }
  var result = product[group];
  for (var first = 0u; first < 4u; first += ROWS) {
    var sums = Piece();
    for (var i = 0u; i < ROWS; i++) {
      sums[i] = result;
    }
    sums = block_sum(sums, Start(group, group, 0u, first), parameters.row_words);
    for (var i = 0u; i < ROWS; i++) {
      result[first + i] = sums[i][first + i];
    }
  }
  product[group] = result;
}
