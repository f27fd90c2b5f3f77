// Sums the rows of every token's slots, in the order of slots.
#include "kernels/thread.wgsl"
#include "numerics/float.wgsl"
#include "numerics/wide.wgsl"

struct Parameters {
  input: Format,
  output: Format,
  // Elements of the result, columns of both, slots of a token.
  count: u32,
  columns: u32,
  topk: u32,
}

const NOWHERE = 0xffffffffu;

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read> slot_to_row: array<u32>;
@group(0) @binding(3) var<storage, read> weights: array<u32>;
@group(0) @binding(4) var<storage, read_write> sums: array<u32>;

// One thread writes one word of values.
@compute @workgroup_size(WORKGROUP_SIZE)
fn sum_slots(
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
    let token = i / parameters.columns;
    let sum = sum_of(token, i - token * parameters.columns);
    packed |= wide_code(sum, i, output);
  }
  sums[word] = packed;
}

fn sum_of(token: u32, column: u32) -> u32 {
  let input = parameters.input;
  var sum = 0u;
  for (var slot = token * parameters.topk; slot < (token + 1u) * parameters.topk; slot++) {
    let row = slot_to_row[slot];
    if (row != NOWHERE) {
      let i = row * parameters.columns + column;
      let value = wide_value(x[i >> wide_shift(input)], i, input);
      if (WEIGHTED == 1) {
        sum = float_fma(value, weights[slot], sum);
      } else {
        sum = float_add(value, sum);
      }
    }
  }
  return sum;
}
