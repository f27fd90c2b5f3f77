// The fast tier in registers, its operands in textures: a thread makes 4 ROW_GROUPS rows of 4 COLUMN_GROUPS columns, and every texel it reads
// gives eight k of a row as pairs of bf16. A line of texels is short enough for one dispatch.
#include "kernels/gemm_promote_fast.wgsl"

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
  let stride = parameters.column_groups;
#each c COLUMN_GROUPS
  let column$c = first_column + $cu;
#end
#each g ROW_GROUPS
  let out$g = 4u * (row_group + $gu) * stride;
#each r 4
#each c COLUMN_GROUPS
  var sum$g$r$c = vec4<u32>();
#end
#end
#end
  var word = parameters.first_word;
  while (word < parameters.last_word) {
    let block = word / parameters.block_words;
    let stop = min((block + 1u) * parameters.block_words, parameters.last_word);
#each g ROW_GROUPS
#each r 4
#each c COLUMN_GROUPS
#each d 4
    var part$g$r$c$d = 0.0;
#end
#end
#end
#end
    for (; word < stop; word++) {
#each g ROW_GROUPS
#each r 4
      let a$g$r = a_at(4u * (row_group + $gu) + $ru, word);
      let low_a$g$r = low_half(a$g$r);
      let high_a$g$r = high_half(a$g$r);
#end
#end
#each c COLUMN_GROUPS
#each d 4
      let b$c$d = b_at(4u * column$c + $du, word);
      let low_b$c$d = low_half(b$c$d);
      let high_b$c$d = high_half(b$c$d);
#each g ROW_GROUPS
#each r 4
      part$g$r$c$d = (part$g$r$c$d + dot(low_a$g$r, low_b$c$d)) + dot(high_a$g$r, high_b$c$d);
#end
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
    let parts$g$r$c = vec4(part$g$r$c0, part$g$r$c1, part$g$r$c2, part$g$r$c3);
    sum$g$r$c = promote(sum$g$r$c, parts$g$r$c, factor_a$g$r, factors_b$c);
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
