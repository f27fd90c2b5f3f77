// Four values side by side of an input of 16 bits.
#include "numerics/decode.wgsl"

@group(0) @binding(1) var<storage, read> x: array<vec2<u32>>;

// f32 bits of values 4 i to 4 i + 3.
fn four_values(i: u32) -> vec4<u32> {
  let words = x[i];
  return vec4(
    decode(words.x & 0xffffu, INPUT),
    decode(words.x >> 16u, INPUT),
    decode(words.y & 0xffffu, INPUT),
    decode(words.y >> 16u, INPUT),
  );
}
