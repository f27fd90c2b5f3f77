// Where a packed operand goes: to a texture, a line for a row or a group of rows.
@group(0) @binding(2) var operand: texture_storage_2d<rgba32uint, write>;

fn keep(row: u32, word: u32, part: u32, parts: u32, words: vec4<u32>) {
  textureStore(operand, vec2(parts * word + part, row), words);
}
