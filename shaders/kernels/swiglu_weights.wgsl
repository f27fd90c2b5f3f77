// Sums of gradient times silu(gate) * up over blocks of columns.
#include "kernels/thread.wgsl"
#include "numerics/swiglu.wgsl"
#include "numerics/wide.wgsl"

struct Parameters {
  input: Format,
  grad: Format,
  // Rows, columns of gate and of up, blocks of columns, bits of the clamp.
  rows: u32,
  inter: u32,
  blocks: u32,
  limit: u32,
  // Whether rows have slots.
  mapped: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read> grad: array<u32>;
@group(0) @binding(3) var<storage, read> row_to_slot: array<u32>;
// [rows, blocks].
@group(0) @binding(4) var<storage, read_write> sums: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn sum_columns(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let thread = thread_index(workgroup, groups, local);
  let row = thread / parameters.blocks;
  if (row >= parameters.rows) {
    return;
  }
  var sum = 0u;
  if (parameters.mapped == 0u || row_to_slot[row] < 0x80000000u) {
    let start = (thread - row * parameters.blocks) * SUM_COLUMNS;
    let end = min(start + SUM_COLUMNS, parameters.inter);
    for (var column = start; column < end; column++) {
      let at = 2u * row * parameters.inter + column;
      let value = swiglu(x_of(at), x_of(at + parameters.inter), parameters.limit, ONE_BITS, 0u);
      let i = row * parameters.inter + column;
      sum = float_fma(wide_value(grad[i >> wide_shift(parameters.grad)], i, parameters.grad), value, sum);
    }
  }
  sums[thread] = sum;
}

fn x_of(index: u32) -> u32 {
  return wide_value(x[index >> wide_shift(parameters.input)], index, parameters.input);
}
