// Philox4x32-10 (Salmon et al., SC 2011): the twin of src/numerics/philox.ts.
#include "numerics/u64.wgsl"

const ROUNDING_STREAM = 1u;

fn philox(key: vec2<u32>, counter: vec4<u32>) -> vec4<u32> {
  var x = counter;
  var k = key;
  for (var round = 0; round < 10; round++) {
    let first = u64_multiply(0xd2511f53u, x.x);
    let second = u64_multiply(0xcd9e8d57u, x.z);
    x = vec4(second.y ^ x.y ^ k.x, second.x, first.y ^ x.w ^ k.y, first.x);
    k += vec2(0x9e3779b9u, 0xbb67ae85u);
  }
  return x;
}

// The word of an element in a stream: its logical index decides, never a thread's number.
fn philox_word(seed: u32, index: u32, stream: u32) -> u32 {
  return philox(vec2(seed, 0u), vec4(index >> 2u, 0u, stream, 0u))[index & 3u];
}
