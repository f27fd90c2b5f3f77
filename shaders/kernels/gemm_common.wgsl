// The shape of the kernels that sum k by k: a thread makes a piece of the product, block after block of k, and promotes each block's
// partial sums into single precision with the two operands' scales. The including file says how many ROWS a piece has, one or four: with four,
// what is read of B serves four rows; with one, there is a fourth of the code to compile, for compilers copy every function into its callers.
#include "kernels/gemm_parts.wgsl"

// ROWS rows of four columns.
alias Piece = array<vec4<u32>, ROWS>;

// First words of the piece's rows of A and of B, and where in A's words, of four rows each, the first of its rows stands.
struct Start {
  a: u32,
  b: u32,
  row: u32,
}

// Scales and partial sums of four columns, each operation rounded once: products and sums are fmas with a zero or a one, so that one copy of the arithmetic serves all.
fn promote(sums: vec4<u32>, partials: vec4<u32>, sa: vec4<u32>, sb: vec4<u32>) -> vec4<u32> {
  var value = select(partials, sa, COMBINE != B_THEN_A);
  for (var step = 0u; step < 3u - u32(FUSED); step++) {
    var factor = select(partials, sb, COMBINE != A_THEN_B);
    if (step == 1u) {
      factor = select(select(partials, sb, COMBINE == A_THEN_B), sa, COMBINE == B_THEN_A);
    } else if (step == 2u) {
      factor = vec4(ONE_BITS);
    }
    // A zero of the product's own sign keeps it.
    let product_sign = (value ^ factor) & vec4(SIGN_BIT);
    value = float_fma4(value, factor, select(product_sign, sums, step == 2u - u32(FUSED)));
  }
  return value;
}

// A loop, though it is short: compilers inline every call, and copies of the arithmetic take them long.
fn promote_piece(sums: Piece, partials: Piece, row: u32, column: u32, k: u32) -> Piece {
  var before = sums;
  var partial = partials;
  var after = Piece();
  let sb = b_factors4(column, k);
  for (var i = 0u; i < ROWS; i++) {
    after[i] = promote(before[i], partial[i], vec4(a_factor(row + i, k)), sb);
  }
  return after;
}

// The including file says how products are added to a block's sums: fn block_sum(before: Piece, start: Start, words: u32) -> Piece.
@compute @workgroup_size(WORKGROUP_SIZE)
fn multiply(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let place = block_place(workgroup, groups, parameters.column_groups, 1u);
  let row = place.row * ROWS;
  let group = row / 4u;
  let column_group = place.first_column + local;
  if (group >= parameters.row_groups || column_group >= parameters.column_groups) {
    return;
  }
  let row_words = parameters.row_words;
  let block_words = parameters.block_words;
  let next = parameters.column_groups;
  let out = row * next + column_group;
  var sums = Piece();
  var partial = Piece();
  for (var i = 0u; i < ROWS; i++) {
    if (parameters.first_word > 0u) {
      sums[i] = product[out + i * next];
    }
    if (parameters.first_word % block_words != 0u) {
      partial[i] = unfinished[out + i * next];
    }
  }
  var word = parameters.first_word;
  while (word < parameters.last_word) {
    let block = word / block_words;
    let end = min((block + 1u) * block_words, row_words);
    let stop = min(end, parameters.last_word);
    partial = block_sum(partial, Start(group * row_words + word, column_group * row_words + word, row % 4u), stop - word);
    if (stop == end) {
      sums = promote_piece(sums, partial, row, 4u * column_group, block * parameters.block);
      partial = Piece();
    } else {
      for (var i = 0u; i < ROWS; i++) {
        unfinished[out + i * next] = partial[i];
      }
    }
    word = stop;
  }
  for (var i = 0u; i < ROWS; i++) {
    product[out + i * next] = sums[i];
  }
}
