// Scales and codes of tiles, each by a group of threads: neighbours read and write neighbouring fours, and the amax goes from thread to thread. Of tiles of
// one row a thread holds its HELD fours meanwhile; where that is 0, they are read again where they lie close by. Tiles are whole fours wide; those of one column are done four side by side.
#include "kernels/output.wgsl"
#include "kernels/thread.wgsl"
#include "numerics/encode4_fast.wgsl"
#include "numerics/scale.wgsl"
#include "kernels/group_max_fast.wgsl"
#include "kernels/row_values_fast.wgsl"

struct Parameters {
  @size(32) rule: ScaleRule,
  rows: u32,
  // Fours of a row, of a tile's row, and tiles (or fours of tiles) side by side.
  row_fours: u32,
  tile_fours: u32,
  across: u32,
  tile_rows: u32,
  // Bits of SwiGLU's clamp.
  limit: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(2) var<storage, read_write> codes: array<u32>;
@group(0) @binding(3) var<storage, read_write> stored: array<u32>;

// Threads of a group, WIDTH of them side by side, the others below.
const THREADS = u32(SPAN / STRIDE);
const HEIGHT = THREADS / WIDTH;

// Tiles that a four lies in.
const TILES = select(1u, 4u, COLUMNS == 1);

@compute @workgroup_size(WORKGROUP_SIZE)
fn quantize_tiles(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let thread = thread_index(workgroup, groups, local);
  let tile = thread / SPAN * STRIDE + thread % STRIDE;
  let lane = thread % SPAN / STRIDE;
  let tile_row = tile / parameters.across;
  let left = (tile - tile_row * parameters.across) * parameters.tile_fours;
  let right = min(left + parameters.tile_fours, parameters.row_fours);
  // Groups past the last tile have no rows; they wait for the others all the same.
  let top = tile_row * parameters.tile_rows;
  let bottom = min(top + parameters.tile_rows, parameters.rows);
  let first = select(top + lane / WIDTH, bottom, HELD > 0);
  var amax = vec4<u32>();
#each s HELD
  let four$s = left + lane + $su * WIDTH;
  var held$s = vec4<u32>();
  if (top < bottom && four$s < right) {
    held$s = row_values(top, four$s);
    amax = max(amax, held$s & vec4(MAGNITUDE));
  }
#end
  for (var row = first; row < bottom; row += HEIGHT) {
    for (var four = left + lane % WIDTH; four < right; four += WIDTH) {
      amax = max(amax, row_values(row, four) & vec4(MAGNITUDE));
    }
  }
  if (COLUMNS == 0) {
    amax.x = max(max(amax.x, amax.y), max(amax.z, amax.w));
  }
  var factors = vec4<u32>();
  for (var i = 0u; i < TILES; i++) {
    let scale = tile_scale(group_max(amax[i], local), parameters.rule, ONE_BITS);
    factors[i] = scale.factor;
    if (lane == 0u && top < bottom) {
      stored[tile * TILES + i] = scale.stored;
    }
  }
  if (COLUMNS == 0) {
    factors = vec4(factors.x);
  }
#each s HELD
  if (top < bottom && four$s < right) {
    store(top, four$s, scaled(held$s, factors));
  }
#end
  for (var row = first; row < bottom; row += HEIGHT) {
    for (var four = left + lane % WIDTH; four < right; four += WIDTH) {
      store(row, four, scaled(row_values(row, four), factors));
    }
  }
}

fn store(row: u32, four: u32, bits: vec4<u32>) {
  let places = encode4(bits) << vec4(0u, 8u, 16u, 24u);
  codes[row * parameters.row_fours + four] = places.x | places.y | places.z | places.w;
}

// Values with their tiles' factors; NaN throughout a marked tile.
fn scaled(bits: vec4<u32>, factors: vec4<u32>) -> vec4<u32> {
  let values = bitcast<vec4<f32>>(bits);
  if (FACTOR == SHIFT_BY) {
    // By two halves, whose powers are normal numbers both.
    let exponents = bitcast<vec4<i32>>(factors);
    let marks = select(vec4(0u), vec4(NAN_BITS), factors == vec4(NAN_SHIFT));
    let half = exponents >> vec4(1u);
    return bitcast<vec4<u32>>(values * power(half) * power(exponents - half)) | marks;
  }
  let marks = select(vec4(0u), vec4(NAN_BITS), (factors & vec4(MAGNITUDE)) > vec4(INFINITY_BITS));
  if (FACTOR == DIVIDE_BY) {
    return bitcast<vec4<u32>>(values / bitcast<vec4<f32>>(factors)) | marks;
  }
  return bitcast<vec4<u32>>(values * bitcast<vec4<f32>>(factors)) | marks;
}

fn power(exponents: vec4<i32>) -> vec4<f32> {
  return bitcast<vec4<f32>>(vec4<u32>(exponents + vec4(127)) << vec4(23u));
}
