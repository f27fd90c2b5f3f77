// Operands in textures, a line of texels for a row or a group of rows. Software adapters fetch a texel's four words at once, but a buffer's words
// one by one and lane by lane.
@group(0) @binding(1) var a: texture_2d<u32>;
@group(0) @binding(2) var b: texture_2d<u32>;

fn a_at(row: u32, place: u32) -> vec4<u32> {
  return textureLoad(a, vec2(place, row), 0);
}

fn b_at(row: u32, place: u32) -> vec4<u32> {
  return textureLoad(b, vec2(place, row), 0);
}
