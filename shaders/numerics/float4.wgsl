// float.wgsl for four lanes, one after the other: a fraction of the code to compile, for kernels in which this arithmetic takes little of the time.
#include "numerics/float.wgsl"

fn float_fma4(a: vec4<u32>, b: vec4<u32>, c: vec4<u32>) -> vec4<u32> {
  var result = vec4<u32>();
  for (var i = 0u; i < 4u; i++) {
    result[i] = float_fma(a[i], b[i], c[i]);
  }
  return result;
}
