// A workgroup's tile of words of four 8-bit codes: half of what bf16 pairs take of the memory that all workgroups share. e4m3 and e5m2 are
// f16 exactly, and so they lie in the workgroup's own; a thread makes single precision of them, for products of f16 lose bits in f16.
enable f16;

// Words of a step, and pairs of k in a word.
const STEP = 4u;
const PAIRS = 2u;

// k after k, the groups of one k side by side.
var<workgroup> tile_a: array<vec4<f16>, 4u * STEP * A_GROUPS>;
var<workgroup> tile_b: array<vec4<f16>, 4u * STEP * B_GROUPS>;

// The codes in bits 0 to 7 and 16 to 23.
fn halves(codes: u32, e5m2: bool) -> vec2<f16> {
  if (e5m2) {
    // f16 cut short.
    return vec2<f16>(unpack2x16float(codes << 8u));
  }
  let magnitude = codes & 0x007f007fu;
  // The exponent's bias is 15 in place of 7; a subnormal is what 2^-6 lacks of it with its mantissa. Nothing here is a subnormal of f16, which an adapter may flush.
  let normal = unpack2x16float((magnitude << 7u) + 0x20002000u);
  let subnormal = unpack2x16float((magnitude << 7u) + 0x24002400u) - 0.015625;
  let fields = vec2(magnitude & 0xffffu, magnitude >> 16u);
  let value = select(normal, subnormal, fields < vec2(8u));
  let signed = select(value, -value, (vec2(codes, codes >> 16u) & vec2(0x80u)) != vec2(0u));
  return vec2<f16>(select(signed, unpack2x16float(0x7e007e00u), fields == vec2(0x7fu)));
}

fn keep_a(word: u32, group: u32, rows: vec4<u32>) {
#each r 4
  let even$r = halves(rows[$r] & 0x00ff00ffu, A_E5M2 == 1);
  let odd$r = halves((rows[$r] >> 8u) & 0x00ff00ffu, A_E5M2 == 1);
#end
  let at = 4u * word * A_GROUPS + group;
  tile_a[at] = vec4(even0.x, even1.x, even2.x, even3.x);
  tile_a[at + A_GROUPS] = vec4(odd0.x, odd1.x, odd2.x, odd3.x);
  tile_a[at + 2u * A_GROUPS] = vec4(even0.y, even1.y, even2.y, even3.y);
  tile_a[at + 3u * A_GROUPS] = vec4(odd0.y, odd1.y, odd2.y, odd3.y);
}

fn keep_b(word: u32, group: u32, columns: vec4<u32>) {
#each r 4
  let even$r = halves(columns[$r] & 0x00ff00ffu, B_E5M2 == 1);
  let odd$r = halves((columns[$r] >> 8u) & 0x00ff00ffu, B_E5M2 == 1);
#end
  let at = 4u * word * B_GROUPS + group;
  tile_b[at] = vec4(even0.x, even1.x, even2.x, even3.x);
  tile_b[at + B_GROUPS] = vec4(odd0.x, odd1.x, odd2.x, odd3.x);
  tile_b[at + 2u * B_GROUPS] = vec4(even0.y, even1.y, even2.y, even3.y);
  tile_b[at + 3u * B_GROUPS] = vec4(odd0.y, odd1.y, odd2.y, odd3.y);
}

fn pair_of_a(pair: u32, group: u32) -> Pair {
  let at = 2u * pair * A_GROUPS + group;
  return Pair(vec4<f32>(tile_a[at]), vec4<f32>(tile_a[at + A_GROUPS]));
}

fn pair_of_b(pair: u32, group: u32) -> Pair {
  let at = 2u * pair * B_GROUPS + group;
  return Pair(vec4<f32>(tile_b[at]), vec4<f32>(tile_b[at + B_GROUPS]));
}
