// As gemm_texels_fast.wgsl, four threads together: a thread brings 4 COLUMN_GROUPS columns and a fourth of a block's 4 ROW_GROUPS rows, and has the
// other rows of its quad by swaps. Half the texels a product; no workgroup memory, no barrier.
enable subgroups;
#include "kernels/gemm_promote_fast.wgsl"

// What the lane brings, and what those beside, across and opposite it bring.
fn swapped0(own: vec4<f32>) -> vec4<f32> {
  return own;
}

fn swapped1(own: vec4<f32>) -> vec4<f32> {
  return quadSwapX(own);
}

fn swapped2(own: vec4<f32>) -> vec4<f32> {
  return quadSwapY(own);
}

fn swapped3(own: vec4<f32>) -> vec4<f32> {
  return quadSwapDiagonal(own);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn multiply(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let quad = thread_index(workgroup, groups, local) / 4u;
  let lane = local % 4u;
  let stride = parameters.column_groups;
  let across = (stride + 4u * COLUMN_GROUPS - 1u) / (4u * COLUMN_GROUPS);
  let block_row = quad / across;
  // Nobody returns early, for a swap takes all four. Rows and columns past an edge are computed and not written.
  let row_group0 = block_row * ROW_GROUPS + lane * OWN_GROUPS;
  let row_group1 = quadSwapX(row_group0);
  let row_group2 = quadSwapY(row_group0);
  let row_group3 = quadSwapDiagonal(row_group0);
#each c COLUMN_GROUPS
  let column$c = (quad - block_row * across) * 4u * COLUMN_GROUPS + lane * COLUMN_GROUPS + $cu;
#end
#each x 4
#each g OWN_GROUPS
  let out$x$g = 4u * (row_group$x + $gu) * stride;
#each r 4
#each c COLUMN_GROUPS
  var sum$x$g$r$c = vec4<u32>();
#end
#end
#end
#end
  var word = parameters.first_word;
  while (word < parameters.last_word) {
    let block = word / parameters.block_words;
    let stop = min((block + 1u) * parameters.block_words, parameters.last_word);
#each x 4
#each g OWN_GROUPS
#each r 4
#each c COLUMN_GROUPS
#each d 4
    var part$x$g$r$c$d = 0.0;
#end
#end
#end
#end
#end
    for (; word < stop; word++) {
#each g OWN_GROUPS
#each r 4
      let a$g$r = a_at(4u * (row_group0 + $gu) + $ru, word);
#each x 4
      let low_a$x$g$r = swapped$x(low_half(a$g$r));
      let high_a$x$g$r = swapped$x(high_half(a$g$r));
#end
#end
#end
#each c COLUMN_GROUPS
#each d 4
      let b$c$d = b_at(4u * column$c + $du, word);
      let low_b$c$d = low_half(b$c$d);
      let high_b$c$d = high_half(b$c$d);
#each x 4
#each g OWN_GROUPS
#each r 4
      part$x$g$r$c$d = (part$x$g$r$c$d + dot(low_a$x$g$r, low_b$c$d)) + dot(high_a$x$g$r, high_b$c$d);
#end
#end
#end
#end
#end
    }
    let k = block * parameters.block;
#each c COLUMN_GROUPS
    let factors_b$c = column_factors(4u * column$c, k);
#end
#each x 4
#each g OWN_GROUPS
#each r 4
    let factor_a$x$g$r = row_factors(4u * (row_group$x + $gu) + $ru, k);
#each c COLUMN_GROUPS
    let parts$x$g$r$c = vec4(part$x$g$r$c0, part$x$g$r$c1, part$x$g$r$c2, part$x$g$r$c3);
    sum$x$g$r$c = promote(sum$x$g$r$c, parts$x$g$r$c, factor_a$x$g$r, factors_b$c);
#end
#end
#end
#end
  }
#each x 4
#each g OWN_GROUPS
#each c COLUMN_GROUPS
  if (row_group$x + $gu < parameters.row_groups && column$c < stride) {
#each r 4
    product[out$x$g + $ru * stride + column$c] = sum$x$g$r$c;
#end
  }
#end
#end
#end
}
