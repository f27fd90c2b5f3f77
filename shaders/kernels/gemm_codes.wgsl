// An operand of 8-bit codes made ready for products of codes: four rows side by side, four k a word, zeros for padding.
#include "kernels/gemm_pack.wgsl"

// One thread writes the words of four rows at four k.
@compute @workgroup_size(WORKGROUP_SIZE)
fn pack_codes(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let thread = thread_index(workgroup, groups, local);
  let group = thread / parameters.row_words;
  let word = thread - group * parameters.row_words;
  if (group >= parameters.row_groups) {
    return;
  }
  let block = word / parameters.block_words;
  let within = 4u * (word - block * parameters.block_words);
  let start = block * parameters.block;
  let length = min(parameters.block, parameters.k - start);
  var words = vec4<u32>();
  for (var i = 0u; i < 4u; i++) {
    let row = 4u * group + i;
    if (row >= parameters.rows) {
      continue;
    }
    let first = row * parameters.k + start + within;
    if (WHOLE == 1u) {
      words[i] = codes[first / 4u];
      continue;
    }
    for (var j = 0u; j < min(4u, length - within); j++) {
      words[i] |= input_lane(codes[(first + j) >> INPUT_LANE_SHIFT], first + j) << (8u * j);
    }
  }
  let place = panel_start(group, parameters.row_groups, parameters.row_words, PANEL);
  operand[place + word * panel_width(group, parameters.row_groups, PANEL)] = words;
}
