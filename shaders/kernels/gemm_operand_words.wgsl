// Operands as words in buffers: OPERAND_WORDS a place of k, for four rows each.
@group(0) @binding(1) var<storage, read> a: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<u32>>;

// What lies at a place in a row, or in a group of rows.
fn a_at(row: u32, place: u32) -> vec4<u32> {
  return a[row * parameters.row_words * u32(OPERAND_WORDS) + place];
}

fn b_at(row: u32, place: u32) -> vec4<u32> {
  return b[row * parameters.row_words * u32(OPERAND_WORDS) + place];
}
