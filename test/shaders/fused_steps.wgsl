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
  let c = product[group];
  var sums = Piece(vec4(c.x, 0u, 0u, 0u), vec4(0u, c.y, 0u, 0u), vec4(0u, 0u, c.z, 0u), vec4(0u, 0u, 0u, c.w));
  for (var word = 0u; word < parameters.row_words; word += TERMS) {
    let start = group * parameters.row_words + word;
    sums = fused_sum(sums, Start(start, start));
  }
  product[group] = vec4(sums[0].x, sums[1].y, sums[2].z, sums[3].w);
}
