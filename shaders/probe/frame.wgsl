// The probe asks what this adapter's float arithmetic does: the one place where f32 is used on purpose.
// Around it the generated function `apply` holds one case an operation (src/backends/webgpu/probe/).

struct Uniforms { operation: u32, count: u32 }

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> first: array<u32>;
@group(0) @binding(2) var<storage, read> second: array<u32>;
@group(0) @binding(3) var<storage, read> third: array<u32>;
@group(0) @binding(4) var<storage, read_write> result: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= uniforms.count) { return; }
  result[id.x] = apply(uniforms.operation, first[id.x], second[id.x], third[id.x]);
}

// Turns that a loop of `n` really makes. `step` is 1, which the compiler cannot know.
fn turns(n: u32, step: u32) -> u32 {
  var count = 0u;
  for (var i = 0u; i < n; i += step) { count += step; }
  return count;
}

// The same over two nested loops.
fn nested_turns(n: u32, m: u32, step: u32) -> u32 {
  var count = 0u;
  for (var i = 0u; i < n; i += step) {
    for (var j = 0u; j < m; j += step) { count += step; }
  }
  return count;
}
