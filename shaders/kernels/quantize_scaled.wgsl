// Codes of tiles of several rows whose scales are powers of two and known: a thread has a tile's piece of a row, four values at a time.
#include "kernels/quantize_line.wgsl"
#include "kernels/thread.wgsl"
#include "kernels/tile.wgsl"
#include "numerics/factor.wgsl"

struct Parameters {
  band: Band,
  output: Format,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(3) var<storage, read> factors: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn quantize_scaled(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let thread = thread_index(workgroup, groups, local);
  let band = parameters.band;
  let row = thread / band.grid_columns;
  if (row >= band.rows) {
    return;
  }
  let column = (thread - row * band.grid_columns) * band.tile_columns;
  let factor = factors[tile_of(Place(row, column), band)];
  let marked = factor == NAN_SHIFT;
  let first = (row * band.columns + column) / 4u;
  let line = Line(first, first + band.tile_columns / 4u, 1u);
  quantize_line(line, vec4(i32(select(factor, 0u, marked))), vec4(select(0u, NAN_BITS, marked)), output_format(parameters.output));
}
