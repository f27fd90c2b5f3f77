// silu(gate) * up, times the row's weight, in the output format.
#include "kernels/thread.wgsl"
#include "numerics/swiglu.wgsl"
#include "numerics/wide.wgsl"

struct Parameters {
  input: Format,
  output: Format,
  // Elements of the result, columns of gate and of up, bits of the clamp.
  count: u32,
  inter: u32,
  limit: u32,
  // Whether rows have weights, and slots.
  weighted: u32,
  mapped: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
// [rows, 2 * inter]: gate, then up.
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read> weights: array<u32>;
@group(0) @binding(3) var<storage, read> row_to_slot: array<u32>;
@group(0) @binding(4) var<storage, read_write> result: array<u32>;

// One thread writes one word of values.
@compute @workgroup_size(WORKGROUP_SIZE)
fn swiglu_act(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let word = thread_index(workgroup, groups, local);
  let output = parameters.output;
  let first = word << wide_shift(output);
  if (first >= parameters.count) {
    return;
  }
  let last = min(first + (1u << wide_shift(output)), parameters.count);
  var packed = 0u;
  for (var i = first; i < last; i++) {
    let row = i / parameters.inter;
    let value = value_of(row, i - row * parameters.inter);
    packed |= wide_code(value, i, output);
  }
  result[word] = packed;
}

fn value_of(row: u32, column: u32) -> u32 {
  // A negative slot: a row of padding.
  if (parameters.mapped == 1u && row_to_slot[row] >= 0x80000000u) {
    return 0u;
  }
  let at = 2u * row * parameters.inter + column;
  var weight = ONE_BITS;
  if (parameters.weighted == 1u) {
    weight = weights[row];
  }
  return swiglu(x_of(at), x_of(at + parameters.inter), parameters.limit, weight, parameters.weighted);
}

fn x_of(index: u32) -> u32 {
  return wide_value(x[index >> wide_shift(parameters.input)], index, parameters.input);
}
