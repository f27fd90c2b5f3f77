// silu(gate) * up side by side, times the row's weight: quantize_tiles_fast.wgsl need not read them from memory.
#include "kernels/input.wgsl"
#include "kernels/four_words.wgsl"
#include "numerics/swiglu.wgsl"

@group(0) @binding(4) var<storage, read> weights: array<u32>;
@group(0) @binding(5) var<storage, read> row_to_slot: array<u32>;

fn row_values(row: u32, four: u32) -> vec4<u32> {
  // A negative slot: a row of padding.
  if (MAPPED == 1 && row_to_slot[row] >= 0x80000000u) {
    return vec4<u32>();
  }
  var weight = ONE_BITS;
  if (WEIGHTED == 1) {
    weight = weights[row];
  }
  let at = 2u * row * parameters.row_fours + four;
  let gate = four_values(at);
  let up = four_values(at + parameters.row_fours);
  var values = vec4<u32>();
  for (var i = 0u; i < 4u; i++) {
    values[i] = swiglu(gate[i], up[i], parameters.limit, weight, WEIGHTED);
  }
  return values;
}
