// Four values side by side as bf16.
#include "numerics/bf16.wgsl"

@group(0) @binding(3) var<storage, read_write> x: array<vec2<u32>>;

fn store(i: u32, values: vec4<u32>) {
  let halves = to_bf16(values);
  x[i] = vec2(halves.x | (halves.y << 16u), halves.z | (halves.w << 16u));
}
