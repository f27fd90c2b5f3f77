// Values side by side of a matrix.
#include "kernels/input.wgsl"
#include "kernels/four_words.wgsl"

// f32 bits of values 4 four to 4 four + 3 of a row.
fn row_values(row: u32, four: u32) -> vec4<u32> {
  return four_values(row * parameters.row_fours + four);
}
