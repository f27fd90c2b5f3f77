// Codes of a sign and at most 8 bits times their tile's factor, where no tile begins within a word of codes: four values at a time. Such a
// significand times a factor's 24 bits fits a word, so that products are rounded from all of their bits.
#include "kernels/input.wgsl"
#include "kernels/output.wgsl"
#include "kernels/thread.wgsl"
#include "kernels/tile.wgsl"
#include "numerics/bf16.wgsl"
#include "numerics/decode.wgsl"
#include "numerics/encode.wgsl"
#include "numerics/float.wgsl"

struct Parameters {
  band: Band,
  // Values of a thread's piece of a row, which lies in one tile, and pieces of a row.
  length: u32,
  pieces: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> codes: array<u32>;
@group(0) @binding(2) var<storage, read> factors: array<u32>;
@group(0) @binding(3) var<storage, read_write> x: array<u32>;

const SIGNIFICAND_BITS = u32(INPUT_MANTISSA_BITS);

@compute @workgroup_size(WORKGROUP_SIZE)
fn dequantize_rows(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let thread = thread_index(workgroup, groups, local);
  let band = parameters.band;
  let row = thread / parameters.pieces;
  if (row >= band.rows) {
    return;
  }
  let column = (thread - row * parameters.pieces) * parameters.length;
  let factor = factors[tile_of(Place(row, column), band)];
  let start = (row * band.columns + column) / 4u;
  let end = start + min(parameters.length, band.columns - column) / 4u;
  if (!dequantize_powers(start, end, factor) && !dequantize_usual(start, end, factor)) {
    dequantize_any(start, end, factor);
  }
}

// Whether the factor is a power of two and every code normal or a zero: fields are added, and nothing is rounded, not to bf16 either. Where not, what
// it wrote is wrong: a branch at every step costs some adapters more than a piece done twice.
fn dequantize_powers(start: u32, end: u32, factor: u32) -> bool {
  let rise = i32((factor >> 23u) & 0xffu) - i32(INPUT_BIAS);
  // Fields of codes are between 1 and 2^EXPONENT_BITS - 1: none of their products may leave the normal range.
  if ((factor & 0x7fffffu) != 0u || rise < 0 || rise > 254 - (1i << INPUT_EXPONENT_BITS)) {
    return false;
  }
  let base = vec4(rise << 23u);
  let sign_of_factor = vec4(factor & SIGN_BIT);
  var unusual = vec4<i32>();
  // Two words a turn, the last alone twice: what bounds the buffers is computed once for both.
  for (var i = start; i < end; i += 2u) {
    let next = min(i + 1u, end - 1u);
    let words = vec2(codes[i], codes[next]);
    unusual |= times_power(i, words.x, base, sign_of_factor) | times_power(next, words.y, base, sign_of_factor);
  }
  return all(unusual == vec4(0));
}

// Writes the values of a word of codes, and gives what is neither normal nor a zero.
fn times_power(i: u32, word: u32, base: vec4<i32>, sign_of_factor: vec4<u32>) -> vec4<i32> {
  let least = vec4(1i << 23u);
  let largest = vec4(i32(INPUT_MAX_CODE) << (23u - SIGNIFICAND_BITS));
  let magnitude = vec4<i32>(magnitudes(word));
  let sign = (signs(word) ^ sign_of_factor) & vec4(SIGN_BIT);
  let values = sign | vec4<u32>(select(magnitude + base, vec4(0), magnitude == vec4(0)));
  if (OUTPUT_LANE_SHIFT == 0u) {
    store(i, values);
  } else {
    x[2u * i] = (values.x >> 16u) | values.y;
    x[2u * i + 1u] = (values.z >> 16u) | values.w;
  }
  return select(vec4(0), magnitude, (magnitude < least) | (magnitude > largest));
}

// The same for any factor, where every product is a normal number or a zero.
fn dequantize_usual(start: u32, end: u32, factor: u32) -> bool {
  let field = (factor >> 23u) & 0xffu;
  let significand = vec4((factor & 0x7fffffu) | 0x800000u);
  var unusual = vec4(field - 1u >= 254u);
  for (var i = start; i < end; i++) {
    let four = four_codes(codes[i]);
    let magnitude = four & vec4((1u << (INPUT_BITS - 1u)) - 1u);
    let code_field = magnitude >> vec4(SIGNIFICAND_BITS);
    let mantissa = magnitude & vec4((1u << SIGNIFICAND_BITS) - 1u);
    let product = (mantissa | select(vec4(0u), vec4(1u << SIGNIFICAND_BITS), code_field > vec4(0u))) * significand;
    let zeros = countLeadingZeros(product);
    let top = product << (zeros & vec4(31u));
    let kept = top >> vec4(8u);
    let rounded = kept + (((top & vec4(0xffu)) + vec4(0x7fu) + (kept & vec4(1u))) >> vec4(8u));
    // The exponent field, less one for the leading bit, which adds itself to it.
    let base = max(code_field, vec4(1u)) + vec4(field + 7u - u32(INPUT_BIAS) - SIGNIFICAND_BITS) - zeros;
    let zero = magnitude == vec4(0u);
    unusual |= !zero & ((base >= vec4(253u)) | (magnitude > vec4(u32(INPUT_MAX_CODE))));
    let sign = ((four << vec4(32u - INPUT_BITS)) ^ vec4(factor)) & vec4(SIGN_BIT);
    store(i, sign | select((base << vec4(23u)) + rounded, vec4(0u), zero));
  }
  return !any(unusual);
}

fn dequantize_any(start: u32, end: u32, factor: u32) {
  for (var i = start; i < end; i++) {
    let four = four_codes(codes[i]);
    var values = vec4<u32>();
    for (var lane = 0u; lane < 4u; lane++) {
      values[lane] = float_mul(decode(four[lane], INPUT), factor);
    }
    store(i, values);
  }
}

fn four_codes(word: u32) -> vec4<u32> {
  return (vec4(word) >> vec4(0u, 8u, 16u, 24u)) & vec4(0xffu);
}

// Exponents and mantissas of a word's codes where f32 has them. By multiplication: adapters that shift lane by lane do that at once.
fn magnitudes(word: u32) -> vec4<u32> {
  let fields = vec4(word) & (vec4((1u << (INPUT_BITS - 1u)) - 1u) << vec4(0u, 8u, 16u, 24u));
  let low = fields.xyz * (vec3(1u) << (vec3(23u - SIGNIFICAND_BITS) - vec3(0u, 8u, 16u)));
  return vec4(low, fields.w >> (1u + SIGNIFICAND_BITS));
}

// The signs of a word's codes in the highest bits, and others below them.
fn signs(word: u32) -> vec4<u32> {
  return vec4(word) * (vec4(1u) << (vec4(32u - INPUT_BITS) - vec4(0u, 8u, 16u, 24u)));
}

// Writes values 4 i to 4 i + 3, as they are or as bf16.
fn store(i: u32, values: vec4<u32>) {
  if (OUTPUT_LANE_SHIFT == 0u) {
#each l 4
    x[4u * i + $lu] = values[$l];
#end
  } else {
    store_halves(i, to_bf16(values));
  }
}

fn store_halves(i: u32, halves: vec4<u32>) {
  x[2u * i] = halves.x | (halves.y << 16u);
  x[2u * i + 1u] = halves.z | (halves.w << 16u);
}
