// Tiles of one row or of one column under scales that are powers of two: amax, scale and codes of a tile of a row, or of four columns side by
// side, by one thread, four values at a time.
#include "kernels/quantize_line.wgsl"
#include "kernels/thread.wgsl"
#include "numerics/power_scale.wgsl"

struct Parameters {
  output: Format,
  @size(32) rule: ScaleRule,
  threads: u32,
  // Steps of a thread, four values each, and from one thread's to the next: 1 along a row, a row's fours along columns.
  steps: u32,
  stride: u32,
  // Steps of all threads above each other: the last may have fewer.
  total: u32,
  // Whether tiles are of one column.
  along_columns: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(3) var<storage, read_write> stored: array<u32>;

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
  let along_columns = parameters.along_columns == 1u;
  let above = thread / stride * parameters.steps;
  let first = above * stride + thread % stride;
  let line = Line(first, first + min(parameters.steps, parameters.total - above) * stride, stride);
  // Compared as signed numbers, for which more adapters have an instruction.
  var amax = vec4<i32>();
  // Some fours a turn, the last of a line more than once if they do not come out even: what bounds the buffers is computed once for all.
  for (var i = line.first; i < line.end; i += 4u * stride) {
#each u 4
    amax = max(amax, vec4<i32>(four_values(min(i + $uu * stride, line.end - stride)) & vec4(MAGNITUDE)));
#end
  }
  if (!along_columns) {
    amax.x = max(max(amax.x, amax.y), max(amax.z, amax.w));
  }
  var exponents = vec4<i32>();
  var marks = vec4<u32>();
  for (var lane = 0u; lane < select(1u, 4u, along_columns); lane++) {
    let scale = power_scale(u32(amax[lane]), parameters.rule);
    stored[select(thread, 4u * thread + lane, along_columns)] = scale.stored;
    let marked = scale.factor == NAN_SHIFT;
    exponents[lane] = i32(select(scale.factor, 0u, marked));
    marks[lane] = select(0u, NAN_BITS, marked);
  }
  if (!along_columns) {
    exponents = vec4(exponents.x);
    marks = vec4(marks.x);
  }
  quantize_line(line, exponents, marks, output_format(parameters.output));
}
