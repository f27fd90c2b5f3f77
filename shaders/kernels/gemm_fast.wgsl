// The fast tier: a block summed in the adapter's own single precision, whatever the model. No barriers, no shared memory: on the software
// adapters that most machines without a GPU have, a barrier costs more than the loads that it saves.
#include "kernels/gemm_common.wgsl"
#include "kernels/gemm_promote.wgsl"

const ROWS = 4u;

fn block_sum(before: Piece, start: Start, words: u32) -> Piece {
  var r0 = bitcast<vec4<f32>>(before[0]);
  var r1 = bitcast<vec4<f32>>(before[1]);
  var r2 = bitcast<vec4<f32>>(before[2]);
  var r3 = bitcast<vec4<f32>>(before[3]);
  for (var i = 0u; i < words; i++) {
    let x = bitcast<vec4<f32>>(a_at(start.a, start.word + i));
    let y = bitcast<vec4<f32>>(b_at(start.b, start.word + i));
    r0 += x.x * y;
    r1 += x.y * y;
    r2 += x.z * y;
    r3 += x.w * y;
  }
  return Piece(bitcast<vec4<u32>>(r0), bitcast<vec4<u32>>(r1), bitcast<vec4<u32>>(r2), bitcast<vec4<u32>>(r3));
}
