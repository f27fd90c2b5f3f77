// The fast tier in registers: a thread makes 4 ROW_GROUPS rows of 4 COLUMN_GROUPS columns. An operand's word holds two k as bf16, exact for
// every format of up to 8 mantissa bits: one load gives eight values, and taking them apart is a shift and a mask; a sum that no register holds
// is fetched once for both. No barriers, no shared memory: on the software adapters that most machines without a GPU have, a barrier costs
// more than the loads that it saves.
#include "kernels/gemm_promote_fast.wgsl"
#include "kernels/gemm_panel.wgsl"

@compute @workgroup_size(WORKGROUP_SIZE)
fn multiply(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let place = block_place(workgroup, groups, parameters.column_groups, COLUMN_GROUPS);
  let row_group = place.row * ROW_GROUPS;
  let first_column = place.first_column + local * COLUMN_GROUPS;
  if (row_group >= parameters.row_groups || first_column >= parameters.column_groups) {
    return;
  }
  let row_words = parameters.row_words;
  let stride = parameters.column_groups;
#each c COLUMN_GROUPS
  let column$c = first_column + $cu;
  let read$c = min(column$c, stride - 1u);
  let start_b$c = panel_start(read$c, stride, row_words, PANEL);
  let step_b$c = panel_width(read$c, stride, PANEL);
#end
#each g ROW_GROUPS
  let start_a$g = (row_group + $gu) * row_words;
  let out$g = 4u * (row_group + $gu) * stride;
#each r 4
#each c COLUMN_GROUPS
  var sum$g$r$c = vec4<u32>();
#end
#end
#end
  if (parameters.first_word > 0u) {
#each g ROW_GROUPS
#each r 4
#each c COLUMN_GROUPS
    sum$g$r$c = product[out$g + $ru * stride + column$c];
#end
#end
#end
  }
  var word = parameters.first_word;
  while (word < parameters.last_word) {
    let block = word / parameters.block_words;
    let stop = min((block + 1u) * parameters.block_words, parameters.last_word);
#each g ROW_GROUPS
#each r 4
#each c COLUMN_GROUPS
    var part$g$r$c = vec4<f32>();
#end
#end
#end
    for (; word < stop; word++) {
#each c COLUMN_GROUPS
      let pair_b$c = b[start_b$c + word * step_b$c];
      let low_b$c = low_half(pair_b$c);
      let high_b$c = high_half(pair_b$c);
#end
#each g ROW_GROUPS
      let pair_a$g = a[start_a$g + word];
      let low_a$g = low_half(pair_a$g);
      let high_a$g = high_half(pair_a$g);
#each r 4
#each c COLUMN_GROUPS
      part$g$r$c = (part$g$r$c + low_a$g[$r] * low_b$c) + high_a$g[$r] * high_b$c;
#end
#end
#end
    }
    let k = block * parameters.block;
#each c COLUMN_GROUPS
    let factors_b$c = column_factors(4u * column$c, k);
#end
#each g ROW_GROUPS
#each r 4
    let factor_a$g$r = row_factors(4u * (row_group + $gu) + $ru, k);
#each c COLUMN_GROUPS
    sum$g$r$c = promote(sum$g$r$c, part$g$r$c, factor_a$g$r, factors_b$c);
#end
#end
#end
  }
#each g ROW_GROUPS
  if (row_group + $gu < parameters.row_groups) {
#each c COLUMN_GROUPS
    if (column$c < stride) {
#each r 4
      product[out$g + $ru * stride + column$c] = sum$g$r$c;
#end
    }
#end
  }
#end
}
