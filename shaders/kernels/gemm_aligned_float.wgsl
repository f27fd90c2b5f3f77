// Aligned sums in exact floating point, for formats of up to 5 exponent bits and models whose sums stay below 2^24 units of the last kept bit. It gives the bits of
// gemm_aligned.wgsl many times as fast: an alignment by multiplication and trunc, where the other shifts every lane by an amount of its own.
//
// WGSL promises no rounding mode. It does promise that a product, a sum, a maximum or a truncation whose result is a value of f32 gives that value. Here
// every result is one, in whatever order a compiler combines them: products of two significands of at most 24 bits together, powers of two between 2^-80 and 2^90, sums of
// integers below 2^24. Nothing is subnormal, infinite or NaN, so flushing and what compilers assume of specials change nothing. Only * + max trunc are used
// (test/shaders/exact-sources.test.ts), and operands that are special are words for gemm_special.wgsl, never f32 values.
#include "kernels/gemm_common.wgsl"
#include "numerics/operand.wgsl"
#include "kernels/gemm_special.wgsl"

// A power of two below that of any product of nonzero operands: where all are zero it keeps the unit finite.
const LEAST_POWER = 67u << 23u;

const ROWS = 4u;

fn block_sum(before: Piece, start: Start, words: u32) -> Piece {
  var sum = before;
  for (var at = 0u; at < words; at += TERMS) {
    sum = fused_sum(sum, Start(start.a + at, start.b + at, 0u));
  }
  return sum;
}

// An operand's words come in pairs: f32 bits of the values of four rows, then those of the powers of two of their exponents, not normalized; marks of
// special operands lie in the powers' low bits.
fn fused_sum(c: Piece, start: Start) -> Piece {
  var before = c;
  let c0 = finite_only(c[0]);
  let c1 = finite_only(c[1]);
  let c2 = finite_only(c[2]);
  let c3 = finite_only(c[3]);
  var top0 = powers(max(c0 & vec4(INFINITY_BITS), vec4(LEAST_POWER)));
  var top1 = powers(max(c1 & vec4(INFINITY_BITS), vec4(LEAST_POWER)));
  var top2 = powers(max(c2 & vec4(INFINITY_BITS), vec4(LEAST_POWER)));
  var top3 = powers(max(c3 & vec4(INFINITY_BITS), vec4(LEAST_POWER)));
  var marks = vec4<u32>();
  let first_a = 2u * start.a;
  let first_b = 2u * start.b;
  for (var i = 1u; i < 2u * TERMS; i += 2u) {
    let x = a[first_a + i];
    let y = b[first_b + i];
    marks |= x | y;
    let xp = powers(x);
    let yp = powers(y);
    top0 = max(top0, xp.x * yp);
    top1 = max(top1, xp.y * yp);
    top2 = max(top2, xp.z * yp);
    top3 = max(top3, xp.w * yp);
  }
  // Bits of the largest exponent's power, and of its reciprocal in units of the last kept bit.
  let unit0 = power_bits(top0);
  let unit1 = power_bits(top1);
  let unit2 = power_bits(top2);
  let unit3 = power_bits(top3);
  let scale0 = per_unit(unit0);
  let scale1 = per_unit(unit1);
  let scale2 = per_unit(unit2);
  let scale3 = per_unit(unit3);
  var sum0 = trunc(powers(c0) * scale0);
  var sum1 = trunc(powers(c1) * scale1);
  var sum2 = trunc(powers(c2) * scale2);
  var sum3 = trunc(powers(c3) * scale3);
  for (var i = 0u; i < 2u * TERMS; i += 2u) {
    let x = powers(a[first_a + i]);
    let y = powers(b[first_b + i]);
    sum0 += trunc((x.x * scale0) * y);
    sum1 += trunc((x.y * scale1) * y);
    sum2 += trunc((x.z * scale2) * y);
    sum3 += trunc((x.w * scale3) * y);
  }
  var result = Piece(in_units(sum0, unit0), in_units(sum1, unit1), in_units(sum2, unit2), in_units(sum3, unit3));
  if (((marks.x | marks.y | marks.z | marks.w) & OPERAND_SPECIAL) != 0u || any_special(max_magnitudes(c))) {
    for (var row = 0u; row < 4u; row++) {
      result[row] = with_specials(result[row], before[row], Start(start.a, start.b, row), TERMS);
    }
  }
  return result;
}

fn powers(bits: vec4<u32>) -> vec4<f32> {
  return bitcast<vec4<f32>>(bits);
}

fn finite_only(c: vec4<u32>) -> vec4<u32> {
  return select(c, vec4(0u), (c & vec4(INFINITY_BITS)) == vec4(INFINITY_BITS));
}

fn power_bits(top: vec4<f32>) -> vec4<u32> {
  return bitcast<vec4<u32>>(top) & vec4(INFINITY_BITS);
}

// 2^FRACTION_BITS / 2^e for the bits of 2^e.
fn per_unit(power: vec4<u32>) -> vec4<f32> {
  return powers(vec4(u32(254 + FRACTION_BITS) << 23u) - power);
}

// A whole number of units as f32 bits: exact with 24 bits; the core's own 13 fraction bits are what is left without the low ten.
fn in_units(sum: vec4<f32>, power: vec4<u32>) -> vec4<u32> {
  let bits = bitcast<vec4<u32>>(sum * powers(power - vec4(u32(FRACTION_BITS) << 23u)));
  let kept = bits & vec4(select(0xffffffffu, 0xfffffc00u, STEP_OUTPUT == E8M13));
  return select(kept, vec4(0u), (kept & vec4(MAGNITUDE)) == vec4(0u));
}

const E8M13 = 0;

fn max_magnitudes(c: Piece) -> vec4<u32> {
  return max(max(c[0] & vec4(MAGNITUDE), c[1] & vec4(MAGNITUDE)), max(c[2] & vec4(MAGNITUDE), c[3] & vec4(MAGNITUDE)));
}

// The marks of operand words, as gemm_special.wgsl reads them.
fn a_marks(word: u32) -> vec4<u32> {
  return marks_of(a[2u * word], a[2u * word + 1u]);
}

fn b_marks(word: u32) -> vec4<u32> {
  return marks_of(b[2u * word], b[2u * word + 1u]);
}

fn marks_of(value: vec4<u32>, power: vec4<u32>) -> vec4<u32> {
  let sign = select(vec4(0u), vec4(OPERAND_SIGN), value >= vec4(SIGN_BIT));
  return (power & vec4(0x7fffu)) | sign | select(vec4(0u), vec4(1u), (value & vec4(MAGNITUDE)) != vec4(0u));
}
