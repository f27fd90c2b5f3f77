// The shape of the kernels that sum k by k: a thread makes a piece of the product, block after block of k, and promotes each block's
// partial sums into single precision with the two operands' scales. The including file says how many ROWS a piece has: with four, or with
// sixteen that four threads share, what is read of B serves them all; with one, there is less code to compile, for compilers copy every function into its callers.
#include "kernels/gemm_alone.wgsl"
#include "kernels/gemm_parts.wgsl"

// ROWS rows of four columns: of a first row, row ^ i for i below ROWS.
alias Piece = array<vec4<u32>, ROWS>;

// The groups of four rows of A and of B that the piece is made of, the first word in them, and where in A's words the first of the piece's rows stands.
struct Start {
  a: u32,
  b: u32,
  word: u32,
  row: u32,
}

// The including file says how products are added to a block's sums: fn block_sum(before: Piece, start: Start, words: u32) -> Piece; and with
// one of gemm_promote.wgsl and gemm_promote_float.wgsl how those are promoted.
@compute @workgroup_size(WORKGROUP_SIZE)
fn multiply(thread: Thread) {
  let place = block_place(thread.workgroup, thread.groups, parameters.column_groups, 1u);
  let row = place.row * ROWS + 4u * lane_of(thread);
  let group = row / 4u;
  let column_group = place.first_column + thread.local;
  // Those that work together go together, though some may have nothing to write.
  if (least(column_group) >= parameters.column_groups || (place.row * ROWS) / 4u >= parameters.row_groups) {
    return;
  }
  let row_words = parameters.row_words;
  let block_words = parameters.block_words;
  let next = parameters.column_groups;
  var sums = Piece();
  var partial = Piece();
  for (var i = 0u; i < ROWS; i++) {
    let at = (row ^ i) * next + column_group;
    if (parameters.first_word > 0u) {
      sums[i] = product[at];
    }
    if (parameters.first_word % block_words != 0u) {
      partial[i] = unfinished[at];
    }
  }
  var word = parameters.first_word;
  while (word < parameters.last_word) {
    let block = word / block_words;
    let end = min((block + 1u) * block_words, row_words);
    let stop = min(end, parameters.last_word);
    partial = block_sum(partial, Start(group, column_group, word, row % 4u), stop - word);
    if (stop == end) {
      sums = promote_piece(sums, partial, row, 4u * column_group, block * parameters.block);
      partial = Piece();
    } else {
      for (var i = 0u; i < ROWS; i++) {
        if (is_inside(row ^ i, column_group)) {
          unfinished[(row ^ i) * next + column_group] = partial[i];
        }
      }
    }
    word = stop;
  }
  for (var i = 0u; i < ROWS; i++) {
    if (is_inside(row ^ i, column_group)) {
      product[(row ^ i) * next + column_group] = sums[i];
    }
  }
}

fn is_inside(row: u32, column_group: u32) -> bool {
  return row < 4u * parameters.row_groups && column_group < parameters.column_groups;
}
