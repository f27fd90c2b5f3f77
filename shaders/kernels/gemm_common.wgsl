// What all gemm kernels share: a thread makes a 4 x 4 piece of the product, block after block of k, and promotes each block's partial sums
// into single precision with the two operands' scales.
#include "kernels/thread.wgsl"
#include "numerics/float4.wgsl"

const SCALES_FIRST = 0;
const A_THEN_B = 1;
const B_THEN_A = 2;

struct Parameters {
  row_groups: u32,
  column_groups: u32,
  // Words of an operand's row, and of one block in it; the last block may be shorter.
  row_words: u32,
  block_words: u32,
  // k of a block, for the scales.
  block: u32,
  // Words that this dispatch sums: a long k is cut over several, for drivers bound the time of one, and lavapipe the turns of its loops
  // (65535 in all, after which it leaves them silently).
  first_word: u32,
  last_word: u32,
  // Where this piece begins in A's and B's rows.
  first_row: u32,
  first_column: u32,
  rows: u32,
  columns: u32,
  a_tile_rows: u32,
  a_tile_columns: u32,
  a_grid_columns: u32,
  b_tile_rows: u32,
  b_tile_columns: u32,
  b_grid_columns: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> a: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> a_factors: array<u32>;
@group(0) @binding(4) var<storage, read> b_factors: array<u32>;
@group(0) @binding(5) var<storage, read_write> product: array<vec4<u32>>;
// Sums of a block that goes on in the next dispatch; a single word where blocks are not cut.
@group(0) @binding(6) var<storage, read_write> unfinished: array<vec4<u32>>;

// Four rows of four columns.
alias Piece = array<vec4<u32>, 4>;

// First words of the piece's rows of A and of B.
struct Start {
  a: u32,
  b: u32,
}

// Rows past the edge are computed and not read: their scales are those of the last row.
fn a_factor(row: u32, k: u32) -> u32 {
  let index = min(parameters.first_row + row, parameters.rows - 1u) / parameters.a_tile_rows;
  return a_factors[index * parameters.a_grid_columns + k / parameters.a_tile_columns];
}

fn b_factor(column: u32, k: u32) -> u32 {
  let index = min(parameters.first_column + column, parameters.columns - 1u) / parameters.b_tile_rows;
  return b_factors[index * parameters.b_grid_columns + k / parameters.b_tile_columns];
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
  let sb = vec4(b_factor(column, k), b_factor(column + 1u, k), b_factor(column + 2u, k), b_factor(column + 3u, k));
  for (var i = 0u; i < 4u; i++) {
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
  let thread = thread_index(workgroup, groups, local);
  let group = thread / parameters.column_groups;
  let column_group = thread - group * parameters.column_groups;
  if (group >= parameters.row_groups) {
    return;
  }
  let row_words = parameters.row_words;
  let block_words = parameters.block_words;
  let out = 4u * group * parameters.column_groups + column_group;
  let next = parameters.column_groups;
  var sums = Piece();
  var partial = Piece();
  if (parameters.first_word > 0u) {
    sums = Piece(product[out], product[out + next], product[out + 2u * next], product[out + 3u * next]);
  }
  if (parameters.first_word % block_words != 0u) {
    partial = Piece(unfinished[out], unfinished[out + next], unfinished[out + 2u * next], unfinished[out + 3u * next]);
  }
  var word = parameters.first_word;
  while (word < parameters.last_word) {
    let block = word / block_words;
    let end = min((block + 1u) * block_words, row_words);
    let stop = min(end, parameters.last_word);
    partial = block_sum(partial, Start(group * row_words + word, column_group * row_words + word), stop - word);
    if (stop == end) {
      sums = promote_piece(sums, partial, 4u * group, 4u * column_group, block * parameters.block);
      partial = Piece();
    } else {
      unfinished[out] = partial[0];
      unfinished[out + next] = partial[1];
      unfinished[out + 2u * next] = partial[2];
      unfinished[out + 3u * next] = partial[3];
    }
    word = stop;
  }
  product[out] = sums[0];
  product[out + next] = sums[1];
  product[out + 2u * next] = sums[2];
  product[out + 3u * next] = sums[3];
}
