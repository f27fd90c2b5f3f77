// Codes of a line of fours of values, under exponents that are known: what a thread does once a tile has its scale, a power of two.
#include "kernels/input.wgsl"
#include "numerics/encode4.wgsl"
#include "kernels/four_words.wgsl"
#include "kernels/output_format.wgsl"

@group(0) @binding(2) var<storage, read_write> codes: array<u32>;

// The fours of a thread, and from each to the next.
struct Line {
  first: u32,
  end: u32,
  stride: u32,
}

// `marks` are NaN bits where a tile has no scale.
fn quantize_line(line: Line, exponents: vec4<i32>, marks: vec4<u32>, format: Format) {
  // Formats of fewer exponent bits have few normal codes: seldom would a tile hold no others.
  if (format.exponent_bits < 4u || any(marks != vec4(0u)) || !quantize_usual(line, exponents, format)) {
    quantize_any(line, exponents, marks, format);
  }
}

// Whether all values were usual; where not, what it wrote is wrong. A branch at every step costs some adapters more than a tile done twice.
fn quantize_usual(line: Line, exponents: vec4<i32>, format: Format) -> bool {
  let usual = usual_codes(exponents, format);
  var unusual = vec4<u32>();
  let stride = line.stride;
  for (var i = line.first; i < line.end; i += 2u * stride) {
    let next = min(i + stride, line.end - stride);
    let four = four_values(i);
    let other = four_values(next);
    unusual |= unusual4(four, usual) | unusual4(other, usual);
    codes[i] = packed_usual4(encode_usual4(four, usual), usual);
    codes[next] = packed_usual4(encode_usual4(other, usual), usual);
  }
  return all(unusual == vec4(0u));
}

fn quantize_any(line: Line, exponents: vec4<i32>, marks: vec4<u32>, format: Format) {
  for (var i = line.first; i < line.end; i += line.stride) {
    store(i, encode4(four_values(i) | marks, exponents, format));
  }
}

fn store(i: u32, four: vec4<u32>) {
  let places = four << vec4(0u, 8u, 16u, 24u);
  codes[i] = places.x | places.y | places.z | places.w;
}
