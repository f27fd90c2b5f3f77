// Four values side by side of an input of 32 bits.
@group(0) @binding(1) var<storage, read> x: array<vec4<u32>>;

// f32 bits of values 4 i to 4 i + 3.
fn four_values(i: u32) -> vec4<u32> {
  return x[i];
}
