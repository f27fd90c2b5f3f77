// Four values side by side of an input of 16 bits.
#include "numerics/decode.wgsl"

@group(0) @binding(1) var<storage, read> x: array<vec2<u32>>;

// f32 bits of values 4 i to 4 i + 3; a NaN's payload is its own.
fn four_values(i: u32) -> vec4<u32> {
  let words = x[i];
  // bf16 is the upper half of f32; by a product, for some adapters shift lane by lane.
  if (INPUT_EXPONENT_BITS == 8) {
    let low = words * 0x10000u;
    let high = words & vec2(0xffff0000u);
    return vec4(low.x, high.x, low.y, high.y);
  }
  return vec4(
    decode(words.x & 0xffffu, INPUT),
    decode(words.x >> 16u, INPUT),
    decode(words.y & 0xffffu, INPUT),
    decode(words.y >> 16u, INPUT),
  );
}
