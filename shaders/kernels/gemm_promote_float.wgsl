// Promotion in exact floating point where both scales are powers of two, as they mostly are: the scaled sum is then a value of f32, and what is left is one
// addition. Like the sums of gemm_aligned_float.wgsl it only takes operations whose results are values of f32, which WGSL promises; nearest even is made
// of integers. All else goes the way of gemm_promote_any.wgsl; software adapters go that way once in any case, with no lane active.
#include "kernels/gemm_promote_any.wgsl"

// Bits of a sum below the last place of the larger operand: two decide how it is rounded, one stands for all that is lost.
const GUARD_BITS = 3u;
const UNIT = 23u + GUARD_BITS;

// Exponent fields between which no product and no sum leaves the normal range, in whatever order a block's sum meets its scales: of the scales, of the
// block's sum, of what it is added to; the scaled sum's then fits too. And how far the two that are added may be apart.
const LEAST_SCALE = 127 - 32;
const LARGEST_SCALE = 127 + 30;
const LEAST_PARTIAL = 92;
const LARGEST_PARTIAL = 192;
const LEAST_ADDEND = 28;
const LARGEST_ADDEND = 252;
const MOST_APART = 80;

struct Promoted {
  sums: vec4<u32>,
  // Whether all four could be computed this way.
  done: bool,
}

// Comparisons that include their bound take some adapters one instruction more.
fn is_between(bits: vec4<u32>, least: i32, largest: i32) -> vec4<bool> {
  let field = vec4<i32>(bits & vec4(INFINITY_BITS));
  return (field > vec4((least - 1) << 23u)) & (field < vec4((largest + 1) << 23u));
}

fn is_nothing(bits: vec4<u32>) -> vec4<bool> {
  return (bits & vec4(MAGNITUDE)) == vec4(0u);
}

// Whether scales are powers of two within the range.
fn are_powers(scales: vec4<u32>) -> vec4<bool> {
  return ((scales & vec4(SIGN_BIT | 0x7fffffu)) == vec4(0u)) & is_between(scales, LEAST_SCALE, LARGEST_SCALE);
}

// For scales that are powers.
fn promote_powers(sums: vec4<u32>, partials: vec4<u32>, sa: vec4<u32>, sb: vec4<u32>) -> Promoted {
  let empty = is_nothing(partials);
  let scaled = select(partials + sa + sb + vec4(0u - 2u * ONE_BITS), partials, empty);
  let partials_fit = is_between(partials, LEAST_PARTIAL, LARGEST_PARTIAL) | empty;
  let fresh = is_nothing(sums);
  let sums_fit = is_between(sums, LEAST_ADDEND, LARGEST_ADDEND) | fresh;
  let x = vec4<i32>(sums & vec4(INFINITY_BITS));
  let y = vec4<i32>(scaled & vec4(INFINITY_BITS));
  let further = x - y;
  let near = ((further < vec4((MOST_APART + 1) << 23u)) & (further > vec4(-(MOST_APART + 1) << 23u))) | empty | fresh;
  // Of two zeros with different signs the sum is +0.
  let total = select(sum_of_values(sums, scaled, vec4<u32>(max(x, y))), sums & scaled, empty & fresh);
  return Promoted(total, all(partials_fit & sums_fit & near));
}

// x + y, nearest even, for numbers of the larger exponent `top`, as bits of its power of two.
fn sum_of_values(x: vec4<u32>, y: vec4<u32>, top: vec4<u32>) -> vec4<u32> {
  let per_unit = bitcast<vec4<f32>>(vec4((254u + UNIT) << 23u) - top);
  let unit = bitcast<vec4<f32>>(top - vec4(UNIT << 23u));
  let a = bitcast<vec4<f32>>(x) * per_unit;
  let b = bitcast<vec4<f32>>(y) * per_unit;
  let whole_a = trunc(a);
  let whole_b = trunc(b);
  // The smaller one alone has a fraction: the sum lies between two whole numbers, and the odd one of them is rounded as it would be.
  let cut_a = a != whole_a;
  let cut_b = b != whole_b;
  let below = (cut_a & (vec4<i32>(x) < vec4(0))) | (cut_b & (vec4<i32>(y) < vec4(0)));
  let floored = vec4<i32>(whole_a) + vec4<i32>(whole_b) + select(vec4(0), vec4(-1), below);
  let sum = floored | select(vec4(0), vec4(1), cut_a | cut_b);
  let magnitude = abs(sum);
  // Half of the last place that 24 bits keep.
  let half = select(vec4(0), vec4(1), magnitude > vec4((1i << 24u) - 1))
    + select(vec4(0), vec4(1), magnitude > vec4((1i << 25u) - 1))
    + select(vec4(0), vec4(2), magnitude > vec4((1i << 26u) - 1))
    + select(vec4(0), vec4(4), magnitude > vec4((1i << 27u) - 1));
  let odd = select(vec4(0), vec4(1), (magnitude & (half + half)) != vec4(0));
  let rounded = (magnitude + max(half + odd + vec4(-1), vec4(0))) & select(-(half + half), vec4(-1), half == vec4(0));
  return bitcast<vec4<u32>>(vec4<f32>(select(rounded, -rounded, sum < vec4(0))) * unit);
}

fn promote_piece(sums: Piece, partials: Piece, row: u32, column: u32, k: u32) -> Piece {
  let sb = b_factors4(column, k);
  var before = sums;
  var partial = partials;
  var after = Piece();
  var done = all(are_powers(sb));
  for (var i = 0u; i < ROWS; i++) {
    let sa = a_factor(row ^ i, k);
    let promoted = promote_powers(before[i], partial[i], vec4(sa), sb);
    after[i] = promoted.sums;
    done &= promoted.done & are_powers(vec4(sa)).x;
  }
  while (!done) {
    after = promote_any(sums, partials, row, column, k);
    done = true;
  }
  return after;
}
