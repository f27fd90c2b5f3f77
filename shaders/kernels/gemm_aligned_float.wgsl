// Aligned sums in exact floating point, for formats of up to 5 exponent bits and models whose sums stay below 2^24 units of the last kept bit. It gives the bits of
// gemm_aligned.wgsl many times as fast: an alignment by multiplication and trunc, where the other shifts every lane by an amount of its own.
//
// WGSL promises no rounding mode. It does promise that a product, a sum, a maximum or a truncation whose result is a value of f32 gives that value. Here
// every result is one, in whatever order a compiler combines them: products of two significands of at most 24 bits together, powers of two between 2^-80 and 2^90, sums of
// integers below 2^24. Nothing is subnormal, infinite or NaN, so flushing and what compilers assume of specials change nothing. Only * + max trunc are used
// (test/shaders/exact-sources.test.ts), and operands that are special are words for gemm_special.wgsl, never f32 values.
#include "kernels/gemm_common.wgsl"
#include "kernels/gemm_promote_float.wgsl"
#include "numerics/operand.wgsl"
#include "kernels/gemm_special.wgsl"

// A power of two below that of any product of nonzero operands: where all are zero it keeps the unit finite.
const LEAST_POWER = 67i << 23u;

const ROWS = 4u;

// Marks of special operands among the bits of powers of two, at either k of a word.
const SPECIAL_MARKS = 0x00010001u;

fn sum_words() -> u32 {
  return parameters.terms >> u32(K_PER_WORD == 2);
}

fn block_sum(before: Piece, start: Start, words: u32) -> Piece {
  var sum = before;
  for (var at = 0u; at < words; at += sum_words()) {
    sum = fused_sum(sum, Start(start.a, start.b, start.word + at, 0u));
  }
  return sum;
}

// An operand's words come in pairs: values of four rows, then the powers of two of their exponents, not normalized; marks of special operands lie in the
// powers' low bits. A word holds one k as f32, or two as bf16.
fn fused_sum(c: Piece, start: Start) -> Piece {
  var before = c;
  let c0 = finite_only(c[0]);
  let c1 = finite_only(c[1]);
  let c2 = finite_only(c[2]);
  let c3 = finite_only(c[3]);
  // Bits of positive numbers are ordered as they are, and integers compared in fewer instructions.
  var top0 = max(vec4<i32>(c0 & vec4(INFINITY_BITS)), vec4(LEAST_POWER));
  var top1 = max(vec4<i32>(c1 & vec4(INFINITY_BITS)), vec4(LEAST_POWER));
  var top2 = max(vec4<i32>(c2 & vec4(INFINITY_BITS)), vec4(LEAST_POWER));
  var top3 = max(vec4<i32>(c3 & vec4(INFINITY_BITS)), vec4(LEAST_POWER));
  var marks = vec4<u32>();
  let first = 2u * start.word;
  for (var i = 1u; i < 2u * sum_words(); i += 2u) {
    let x = a_at(start.a, first + i);
    let y = b_at(start.b, first + i);
    marks |= x | y;
#each h K_PER_WORD
    let xp$h = powers(power_bits(half$h(x)));
    let yp$h = powers(power_bits(half$h(y)));
    top0 = max(top0, bitcast<vec4<i32>>(xp$h.x * yp$h));
    top1 = max(top1, bitcast<vec4<i32>>(xp$h.y * yp$h));
    top2 = max(top2, bitcast<vec4<i32>>(xp$h.z * yp$h));
    top3 = max(top3, bitcast<vec4<i32>>(xp$h.w * yp$h));
#end
  }
  // Bits of the largest exponent's power, and of its reciprocal in units of the last kept bit.
  let unit0 = power_bits(vec4<u32>(top0));
  let unit1 = power_bits(vec4<u32>(top1));
  let unit2 = power_bits(vec4<u32>(top2));
  let unit3 = power_bits(vec4<u32>(top3));
  let scale0 = per_unit(unit0);
  let scale1 = per_unit(unit1);
  let scale2 = per_unit(unit2);
  let scale3 = per_unit(unit3);
  var sum0 = trunc(powers(c0) * scale0);
  var sum1 = trunc(powers(c1) * scale1);
  var sum2 = trunc(powers(c2) * scale2);
  var sum3 = trunc(powers(c3) * scale3);
  for (var i = 0u; i < 2u * sum_words(); i += 2u) {
    let x = a_at(start.a, first + i);
    let y = b_at(start.b, first + i);
#each h K_PER_WORD
    let x$h = powers(half$h(x));
    let y$h = powers(half$h(y));
    sum0 += trunc((x$h.x * scale0) * y$h);
    sum1 += trunc((x$h.y * scale1) * y$h);
    sum2 += trunc((x$h.z * scale2) * y$h);
    sum3 += trunc((x$h.w * scale3) * y$h);
#end
  }
  var result = Piece(in_units(sum0, unit0), in_units(sum1, unit1), in_units(sum2, unit2), in_units(sum3, unit3));
  if (((marks.x | marks.y | marks.z | marks.w) & SPECIAL_MARKS) != 0u || any_special(max_magnitudes(c))) {
    for (var row = 0u; row < 4u; row++) {
      result[row] = with_specials(result[row], before[row], Start(start.a, start.b, start.word, row), parameters.terms);
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

// f32 bits at the last k of words, and at the first of two.
fn half0(words: vec4<u32>) -> vec4<u32> {
  return words & vec4(select(0xffffffffu, 0xffff0000u, K_PER_WORD == 2));
}

fn half1(words: vec4<u32>) -> vec4<u32> {
  return words * vec4(0x10000u);
}

// An exponent's field without a mantissa, or marks.
fn power_bits(bits: vec4<u32>) -> vec4<u32> {
  return bits & vec4(INFINITY_BITS);
}

// 2^fraction_bits / 2^e for the bits of 2^e.
fn per_unit(power: vec4<u32>) -> vec4<f32> {
  return powers(vec4((254u + parameters.fraction_bits) << 23u) - power);
}

// A whole number of units as f32 bits: exact with 24 bits; the core's own 13 fraction bits are what is left without the low ten.
fn in_units(sum: vec4<f32>, power: vec4<u32>) -> vec4<u32> {
  let bits = bitcast<vec4<u32>>(sum * powers(power - vec4(parameters.fraction_bits << 23u)));
  let kept = bits & vec4(parameters.kept);
  return select(kept, vec4(0u), (kept & vec4(MAGNITUDE)) == vec4(0u));
}

fn max_magnitudes(c: Piece) -> vec4<u32> {
  return max(max(c[0] & vec4(MAGNITUDE), c[1] & vec4(MAGNITUDE)), max(c[2] & vec4(MAGNITUDE), c[3] & vec4(MAGNITUDE)));
}

// The marks of the operands at a k, as gemm_special.wgsl reads them.
fn a_marks(start: Start, term: u32) -> vec4<u32> {
  let place = place_of(start, term);
  return marks_of(half_at(a_at(start.a, place), term), half_at(a_at(start.a, place + 1u), term));
}

fn b_marks(start: Start, term: u32) -> vec4<u32> {
  let place = place_of(start, term);
  return marks_of(half_at(b_at(start.b, place), term), half_at(b_at(start.b, place + 1u), term));
}

fn place_of(start: Start, term: u32) -> u32 {
  return 2u * (start.word + (term >> u32(K_PER_WORD == 2)));
}

fn half_at(words: vec4<u32>, term: u32) -> vec4<u32> {
  return select(half0(words), half1(words), K_PER_WORD == 2 && term % 2u == 0u);
}

fn marks_of(value: vec4<u32>, power: vec4<u32>) -> vec4<u32> {
  let marked = (power >> vec4(3u)) & vec4(OPERAND_NAN | OPERAND_SPECIAL);
  let sign = select(vec4(0u), vec4(OPERAND_SIGN), value >= vec4(SIGN_BIT));
  let nonzero = ((value & vec4(MAGNITUDE)) | marked) != vec4(0u);
  return marked | sign | select(vec4(0u), vec4(1u), nonzero);
}
