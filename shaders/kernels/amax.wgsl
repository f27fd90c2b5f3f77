// Largest magnitude of every tile as single-precision bits: those of one sign are ordered as their values, NaN last, and so are codes.
#include "kernels/input.wgsl"
#include "kernels/thread.wgsl"
#include "kernels/tile.wgsl"
#include "numerics/decode.wgsl"

struct Parameters {
  band: Band,
  // A thread looks at block_rows x block_columns elements; a block lies in one tile column.
  block_rows: u32,
  block_columns: u32,
  blocks_per_tile: u32,
  blocks_per_row: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> amax: array<atomic<u32>>;

// Maximum is exact in any order, so the atomic does not make the result depend on the schedule.
@compute @workgroup_size(WORKGROUP_SIZE)
fn tile_amax(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let thread = thread_index(workgroup, groups, local);
  let band = parameters.band;
  let block_row = thread / parameters.blocks_per_row;
  let block = thread - block_row * parameters.blocks_per_row;
  let tile_column = block / parameters.blocks_per_tile;
  let left = tile_column * band.tile_columns + (block - tile_column * parameters.blocks_per_tile) * parameters.block_columns;
  let right = min(min(left + parameters.block_columns, (tile_column + 1u) * band.tile_columns), band.columns);
  let top = block_row * parameters.block_rows;
  let bottom = min(top + parameters.block_rows, band.rows);
  if (top >= band.rows || left >= right) {
    return;
  }
  var tile = tile_of(Place(top, left), band);
  var largest = 0u;
  for (var row = top; row < bottom; row++) {
    let here = tile_of(Place(row, left), band);
    if (here != tile) {
      keep(tile, largest);
      tile = here;
      largest = 0u;
    }
    for (var i = row * band.columns + left; i < row * band.columns + right; i++) {
      largest = max(largest, magnitude_of(input_lane(x[i >> INPUT_LANE_SHIFT], i), INPUT));
    }
  }
  keep(tile, largest);
}

fn keep(tile: u32, largest: u32) {
  atomicMax(&amax[tile], decode(largest, INPUT));
}
