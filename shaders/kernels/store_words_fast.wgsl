// Four values side by side of an output of 32 bits.
@group(0) @binding(3) var<storage, read_write> x: array<vec4<u32>>;

fn store(i: u32, values: vec4<u32>) {
  x[i] = values;
}
