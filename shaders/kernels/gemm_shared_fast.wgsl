// The fast tier by cooperation: a workgroup of 8 x 8 threads brings STEP words of its rows of A and B into its own memory, where each is
// read eight times. For adapters whose barriers are cheap; what lies in that memory, and of what words, is the included tile's.
#include "kernels/gemm_promote_fast.wgsl"
#include "kernels/gemm_panel.wgsl"
#include "kernels/gemm_tile_pairs_fast.wgsl"

const SIDE = 8u;
const A_GROUPS = SIDE * ROW_GROUPS;
const B_GROUPS = SIDE * COLUMN_GROUPS;

// Values of four rows, or columns, at the two k of a pair.
struct Pair {
  low: vec4<f32>,
  high: vec4<f32>,
}

// Groups past the edge read the last one: they are computed and not written.
fn fill_a(first_group: u32, word: u32, count: u32, local: u32) {
  for (var i = local; i < count * A_GROUPS; i += u32(WORKGROUP_SIZE)) {
    let at = i / A_GROUPS;
    let group = min(first_group + i - at * A_GROUPS, parameters.row_groups - 1u);
    keep_a(at, i - at * A_GROUPS, a[group * parameters.row_words + word + at]);
  }
}

fn fill_b(first_group: u32, word: u32, count: u32, local: u32) {
  for (var i = local; i < count * B_GROUPS; i += u32(WORKGROUP_SIZE)) {
    let at = i / B_GROUPS;
    let group = min(first_group + i - at * B_GROUPS, parameters.column_groups - 1u);
    let start = panel_start(group, parameters.column_groups, parameters.row_words, PANEL);
    keep_b(at, i - at * B_GROUPS, b[start + (word + at) * panel_width(group, parameters.column_groups, PANEL)]);
  }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn multiply(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let index = workgroup.y * groups.x + workgroup.x;
  let across = (parameters.column_groups + B_GROUPS - 1u) / B_GROUPS;
  let block_row = index / across;
  let first_row_group = block_row * A_GROUPS;
  let first_column_group = (index - block_row * across) * B_GROUPS;
  let stride = parameters.column_groups;
  let thread_row = local / SIDE;
  let thread_column = local % SIDE;
#each g ROW_GROUPS
  let at_a$g = thread_row + $gu * SIDE;
  let row_group$g = first_row_group + at_a$g;
  let out$g = 4u * row_group$g * stride;
#end
#each c COLUMN_GROUPS
  let at_b$c = thread_column + $cu * SIDE;
  let column$c = first_column_group + at_b$c;
#end
#each g ROW_GROUPS
#each r 4
#each c COLUMN_GROUPS
  var sum$g$r$c = vec4<u32>();
  if (parameters.first_word > 0u && row_group$g < parameters.row_groups && column$c < stride) {
    sum$g$r$c = product[out$g + $ru * stride + column$c];
  }
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
    var part$g$r$c = vec4<f32>();
#end
#end
#end
    for (; word < stop; word += STEP) {
      let count = min(STEP, stop - word);
      workgroupBarrier();
      fill_a(first_row_group, word, count, local);
      fill_b(first_column_group, word, count, local);
      workgroupBarrier();
      for (var i = 0u; i < PAIRS * count; i++) {
#each c COLUMN_GROUPS
        let b$c = pair_of_b(i, at_b$c);
#end
#each g ROW_GROUPS
        let a$g = pair_of_a(i, at_a$g);
#each r 4
#each c COLUMN_GROUPS
        part$g$r$c = (part$g$r$c + a$g.low[$r] * b$c.low) + a$g.high[$r] * b$c.high;
#end
#end
#end
      }
    }
    word = stop;
    let k = block * parameters.block;
#each c COLUMN_GROUPS
    let factors_b$c = column_factors(4u * column$c, k);
#end
#each g ROW_GROUPS
#each r 4
    let factor_a$g$r = row_factors(4u * row_group$g + $ru, k);
#each c COLUMN_GROUPS
    sum$g$r$c = promote(sum$g$r$c, part$g$r$c, factor_a$g$r, factors_b$c);
#end
#end
#end
  }
#each g ROW_GROUPS
#each c COLUMN_GROUPS
  if (row_group$g < parameters.row_groups && column$c < stride) {
#each r 4
    product[out$g + $ru * stride + column$c] = sum$g$r$c;
#end
  }
#end
#end
}
