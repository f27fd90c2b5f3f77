// A workgroup's tile of words of two k: bf16 pairs, kept as they come.
// Words of a step, and pairs of k in a word.
const STEP = 8u;
const PAIRS = 1u;

// Word after word, the groups of one word side by side.
var<workgroup> tile_a: array<vec4<u32>, STEP * A_GROUPS>;
var<workgroup> tile_b: array<vec4<u32>, STEP * B_GROUPS>;

fn keep_a(word: u32, group: u32, rows: vec4<u32>) {
  tile_a[word * A_GROUPS + group] = rows;
}

fn keep_b(word: u32, group: u32, columns: vec4<u32>) {
  tile_b[word * B_GROUPS + group] = columns;
}

fn pair_of_a(pair: u32, group: u32) -> Pair {
  let rows = tile_a[pair * A_GROUPS + group];
  return Pair(low_half(rows), high_half(rows));
}

fn pair_of_b(pair: u32, group: u32) -> Pair {
  let columns = tile_b[pair * B_GROUPS + group];
  return Pair(low_half(columns), high_half(columns));
}
