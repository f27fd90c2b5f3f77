// Aligned sums in exact floating point, for formats of up to 5 exponent bits and models whose sums stay below 2^24 units of the last kept bit. It gives the bits of
// gemm_aligned.wgsl many times as fast: an alignment by multiplication and trunc, where the other shifts every lane by an amount of its own.
//
// WGSL promises no rounding mode. It does promise that a product, a sum, a maximum or a truncation whose result is a value of f32 gives that value. Here
// every result is one, in whatever order a compiler combines them: products of two significands of at most 24 bits together, powers of two between 2^-80 and 2^90, sums of
// integers below 2^24. Nothing is subnormal, infinite or NaN, so flushing and what compilers assume of specials change nothing: operands that are special are marks in
// words, never f32 values, and where an accumulator is one, its result is replaced, whatever came out. Only * + max trunc are used
// (test/shaders/exact-sources.test.ts).
//
// A thread makes 4 NEIGHBOURS rows of four columns, the rows of others' words by swaps where it has neighbours. The file that is included for the largest exponent says
// what stands for an operand's, and how specials are put in place.
#include "kernels/gemm_common.wgsl"
#include "kernels/gemm_promote_float.wgsl"
#include "kernels/gemm_top_power.wgsl"
#include "numerics/operand.wgsl"

// A power of two below that of any product of nonzero operands: where all are zero it keeps the unit finite.
const LEAST_POWER = 67i << 23u;

const ROWS = 4u * u32(NEIGHBOURS);

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

// An operand's words come in pairs: values of four rows, then what stands for their exponents, not normalized, with marks of special operands. A word holds one k,
// values as f32, or two, values as bf16.
fn fused_sum(c: Piece, start: Start) -> Piece {
#each x NEIGHBOURS
#each r 4
  let c$x$r = c[4 * $x + $r];
  var top$x$r = vec4<i32>();
#end
#end
  var x_marks = vec4<u32>();
  var y_marks = vec4<u32>();
  let first = 2u * start.word;
  for (var i = 1u; i < 2u * sum_words(); i += 2u) {
    let x = a_at(start.a, first + i);
    let y = b_at(start.b, first + i);
    x_marks |= x;
    y_marks |= y;
#each h K_PER_WORD
    let x$h = power$h(x);
    let y$h = power$h(y);
#each x NEIGHBOURS
    let x$h$x = swapped$x(x$h);
#end
#end
#each x NEIGHBOURS
#each r 4
#each h K_PER_WORD
    top$x$r = with_product(top$x$r, x$h$x[$r], y$h);
#end
#end
#end
  }
  // Bits of the largest exponent's power, and of its reciprocal in units of the last kept bit.
#each x NEIGHBOURS
#each r 4
  let before$x$r = max(vec4<i32>(c$x$r & vec4(INFINITY_BITS)), vec4(LEAST_POWER));
  let unit$x$r = power_bits(vec4<u32>(max(top_bits(top$x$r), before$x$r)));
  let scale$x$r = per_unit(unit$x$r);
  var sum$x$r = trunc(powers(c$x$r) * scale$x$r);
#end
#end
  for (var i = 0u; i < 2u * sum_words(); i += 2u) {
    let x = a_at(start.a, first + i);
    let y = b_at(start.b, first + i);
#each h K_PER_WORD
    let x$h = half$h(x);
    let y$h = powers(half$h(y));
#each x NEIGHBOURS
    let x$h$x = swapped$x(x$h);
#end
#end
#each x NEIGHBOURS
#each r 4
#each h K_PER_WORD
    sum$x$r += trunc((bitcast<f32>(x$h$x[$r]) * scale$x$r) * y$h);
#end
#end
#end
  }
  var result = Piece();
#each x NEIGHBOURS
  let x_marks$x = swapped$x(x_marks);
#each r 4
  result[4 * $x + $r] = unless_marked(in_units(sum$x$r, unit$x$r), c$x$r, x_marks$x[$r], y_marks);
#end
#end
  return unless_special(result, c, start, x_marks | y_marks);
}

fn powers(bits: vec4<u32>) -> vec4<f32> {
  return bitcast<vec4<f32>>(bits);
}

// f32 bits at the last k of words, and at the first of two.
fn half0(words: vec4<u32>) -> vec4<u32> {
  return words & vec4(select(0xffffffffu, 0xffff0000u, K_PER_WORD == 2));
}

fn half1(words: vec4<u32>) -> vec4<u32> {
  return words * vec4(0x10000u);
}

// An exponent's field without a mantissa or marks.
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
