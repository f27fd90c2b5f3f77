// Tiles of one row or of one column under scales that are powers of two: amax, scale and codes of a tile of a row, or of four columns side by
// side, by one thread, four values at a time.
#include "kernels/input.wgsl"
#include "kernels/output.wgsl"
#include "kernels/thread.wgsl"
#include "numerics/encode4.wgsl"
#include "numerics/power_scale.wgsl"
#include "kernels/four_words.wgsl"

struct Parameters {
  @size(32) rule: ScaleRule,
  threads: u32,
  // Steps of a thread, four values each, and from one thread's to the next: 1 along a row, a row's fours along columns.
  steps: u32,
  stride: u32,
  // Steps of all threads above each other: the last may have fewer.
  total: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(2) var<storage, read_write> codes: array<u32>;
@group(0) @binding(3) var<storage, read_write> stored: array<u32>;

// The fours of a thread.
struct Line {
  first: u32,
  end: u32,
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn quantize_lines(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let thread = thread_index(workgroup, groups, local);
  if (thread >= parameters.threads) {
    return;
  }
  let stride = parameters.stride;
  let above = thread / stride * parameters.steps;
  let first = above * stride + thread % stride;
  let line = Line(first, first + min(parameters.steps, parameters.total - above) * stride);
  // Compared as signed numbers, for which more adapters have an instruction.
  var amax = vec4<i32>();
  // Some fours a turn, the last of a line more than once if they do not come out even: what bounds the buffers is computed once for all.
  for (var i = line.first; i < line.end; i += 4u * stride) {
#each u 4
    amax = max(amax, vec4<i32>(four_values(min(i + $uu * stride, line.end - stride)) & vec4(MAGNITUDE)));
#end
  }
  if (COLUMNS == 0) {
    amax.x = max(max(amax.x, amax.y), max(amax.z, amax.w));
  }
  var exponents = vec4<i32>();
  var marks = vec4<u32>();
  for (var lane = 0u; lane < select(1u, 4u, COLUMNS == 1); lane++) {
    let scale = power_scale(u32(amax[lane]), parameters.rule);
    stored[select(thread, 4u * thread + lane, COLUMNS == 1)] = scale.stored;
    let marked = scale.factor == NAN_SHIFT;
    exponents[lane] = i32(select(scale.factor, 0u, marked));
    marks[lane] = select(0u, NAN_BITS, marked);
  }
  if (COLUMNS == 0) {
    exponents = vec4(exponents.x);
    marks = vec4(marks.x);
  }
  // Formats of fewer exponent bits have few normal codes: seldom would a tile hold no others.
  if (OUTPUT_EXPONENT_BITS < 4 || any(marks != vec4(0u)) || !quantize_usual(line, exponents)) {
    quantize_any(line, exponents, marks);
  }
}

// Whether all values were usual; where not, what it wrote is wrong. A branch at every step costs some adapters more than a tile done twice.
fn quantize_usual(line: Line, exponents: vec4<i32>) -> bool {
  let usual = usual_codes(exponents);
  var unusual = vec4<u32>();
  let stride = parameters.stride;
  for (var i = line.first; i < line.end; i += 2u * stride) {
    let next = min(i + stride, line.end - stride);
    let four = four_values(i);
    let other = four_values(next);
    unusual |= unusual4(four, usual) | unusual4(other, usual);
    codes[i] = packed_usual4(encode_usual4(four, usual));
    codes[next] = packed_usual4(encode_usual4(other, usual));
  }
  return all(unusual == vec4(0u));
}

fn quantize_any(line: Line, exponents: vec4<i32>, marks: vec4<u32>) {
  for (var i = line.first; i < line.end; i += parameters.stride) {
    store(i, encode4(four_values(i) | marks, exponents));
  }
}

fn store(i: u32, four: vec4<u32>) {
  let places = four << vec4(0u, 8u, 16u, 24u);
  codes[i] = places.x | places.y | places.z | places.w;
}
