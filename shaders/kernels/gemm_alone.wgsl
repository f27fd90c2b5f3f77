// A thread that makes a piece of a product by itself. gemm_quad.wgsl stands in for this where four make theirs together.
struct Thread {
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
}

// Which of those that work together it is.
fn lane_of(thread: Thread) -> u32 {
  return 0u;
}

// The least of what they bring.
fn least(own: u32) -> u32 {
  return own;
}

fn swapped0(own: vec4<u32>) -> vec4<u32> {
  return own;
}

// What any of them has marked.
fn all_marks(own: vec4<u32>) -> vec4<u32> {
  return own;
}
