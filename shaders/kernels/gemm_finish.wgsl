// The single-precision product to the result: C is added, then all is rounded to the output format.
#include "kernels/input.wgsl"
#include "kernels/output.wgsl"
#include "kernels/thread.wgsl"
#include "numerics/decode.wgsl"
#include "numerics/encode.wgsl"
#include "numerics/float.wgsl"

struct Parameters {
  count: u32,
  columns: u32,
  // Words from one row of the product to the next.
  stride: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> product: array<u32>;
@group(0) @binding(2) var<storage, read> c: array<u32>;
@group(0) @binding(3) var<storage, read_write> d: array<u32>;

// One thread writes one word of results.
@compute @workgroup_size(WORKGROUP_SIZE)
fn finish(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let word = thread_index(workgroup, groups, local);
  let first = word << OUTPUT_LANE_SHIFT;
  if (first >= parameters.count) {
    return;
  }
  let last = min(first + OUTPUT_LANES, parameters.count);
  var packed = 0u;
  for (var i = first; i < last; i++) {
    let row = i / parameters.columns;
    var value = product[row * parameters.stride + i - row * parameters.columns];
    if (WITH_C == 1) {
      value = float_add(decode(input_lane(c[i >> INPUT_LANE_SHIFT], i), INPUT), value);
    }
    packed |= encode(value, 0, OUTPUT, NEAREST_EVEN, TO_INFINITY, 0u) << ((i - first) * OUTPUT_LANE_BITS);
  }
  d[word] = packed;
}
