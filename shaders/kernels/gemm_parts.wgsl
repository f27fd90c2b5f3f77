// What all gemm kernels share: parameters, buffers, and how a block's partial sums meet their scales.
#include "kernels/gemm_operand_words.wgsl"
#include "kernels/thread.wgsl"
#include "numerics/float4.wgsl"

const SCALES_FIRST = 0u;
const A_THEN_B = 1u;
const B_THEN_A = 2u;

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
  // What is multiplied first, and whether the last product and the sum are rounded as one.
  combine: u32,
  fused: u32,
  // An aligned model: fraction bits, products of a fused sum, the bits of an f32 result that leave the core, and the places that a product's
  // significand goes up to have the fraction bits, negative where it has more.
  fraction_bits: u32,
  terms: u32,
  kept: u32,
  up: i32,
  // Exponent of a product of the least exponents, as it stands in f32's field.
  least_power: i32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(3) var<storage, read> a_factors: array<u32>;
@group(0) @binding(4) var<storage, read> b_factors: array<u32>;
@group(0) @binding(5) var<storage, read_write> product: array<vec4<u32>>;
// Sums of a block that goes on in the next dispatch; a single word where blocks are not cut.
@group(0) @binding(6) var<storage, read_write> unfinished: array<vec4<u32>>;

// Rows past the edge are computed and not read: their scales are those of the last row.
fn a_factor(row: u32, k: u32) -> u32 {
  let index = min(parameters.first_row + row, parameters.rows - 1u) / parameters.a_tile_rows;
  return a_factors[index * parameters.a_grid_columns + k / parameters.a_tile_columns];
}

fn b_factor(column: u32, k: u32) -> u32 {
  let index = min(parameters.first_column + column, parameters.columns - 1u) / parameters.b_tile_rows;
  return b_factors[index * parameters.b_grid_columns + k / parameters.b_tile_columns];
}

fn b_factors4(column: u32, k: u32) -> vec4<u32> {
  return vec4(b_factor(column, k), b_factor(column + 1u, k), b_factor(column + 2u, k), b_factor(column + 3u, k));
}

// A thread's place in a product cut into blocks: a workgroup's threads stand side by side in one row of blocks, so that what they read of
// A is the same for all of them, which compilers see.
struct BlockPlace {
  row: u32,
  // First column block of the workgroup.
  first_column: u32,
}

fn block_place(workgroup: vec3<u32>, groups: vec3<u32>, columns: u32, columns_per_thread: u32) -> BlockPlace {
  let index = workgroup.y * groups.x + workgroup.x;
  let width = u32(WORKGROUP_SIZE) * columns_per_thread;
  let across = (columns + width - 1u) / width;
  let row = index / across;
  return BlockPlace(row, (index - row * across) * width);
}
