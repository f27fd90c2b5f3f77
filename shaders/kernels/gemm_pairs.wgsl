// An operand of 8-bit codes made ready for products of bf16 pairs, where every word of codes lies in one block: the words of gemm_operand.wgsl
// with one load for four codes.
#include "kernels/gemm_pack.wgsl"

// One thread writes the words of four rows at four k.
@compute @workgroup_size(WORKGROUP_SIZE)
fn pack_pairs(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let thread = thread_index(workgroup, groups, local);
  let code_words = parameters.k >> 2u;
  let group = thread / code_words;
  let word = thread - group * code_words;
  if (group >= parameters.row_groups) {
    return;
  }
  let row = 4u * group;
  let last = parameters.rows - 1u;
#each r 4
  let codes$r = select(0u, codes[min(row + $ru, last) * code_words + word], row + $ru <= last);
#end
  let place = panel_start(group, parameters.row_groups, parameters.row_words, PANEL);
  let width = panel_width(group, parameters.row_groups, PANEL);
  operand[place + 2u * word * width] = vec4(pair(codes0), pair(codes1), pair(codes2), pair(codes3));
  operand[place + (2u * word + 1u) * width] =
    vec4(pair(codes0 >> 16u), pair(codes1 >> 16u), pair(codes2 >> 16u), pair(codes3 >> 16u));
}

// The lower two codes of a word as bf16.
fn pair(codes: u32) -> u32 {
  return (decode(codes & 0xffu, INPUT) >> 16u) | (decode((codes >> 8u) & 0xffu, INPUT) & 0xffff0000u);
}
