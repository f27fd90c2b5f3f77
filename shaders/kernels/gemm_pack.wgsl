// What kernels share that make an operand ready for products: codes in, words for products out.
#include "kernels/gemm_pack_parameters.wgsl"
#include "kernels/input.wgsl"
#include "kernels/gemm_panel.wgsl"
#include "kernels/thread.wgsl"
#include "numerics/decode.wgsl"

@group(0) @binding(2) var<storage, read_write> operand: array<vec4<u32>>;
