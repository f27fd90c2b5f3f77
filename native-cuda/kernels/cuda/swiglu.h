#pragma once
// swiglu-quantize and swiglu-backward on a CUDA device.

#include <cuda_runtime.h>

#include <string>

#include "../../specs/kernels/swiglu.h"
#include "../../tensors/tensor.h"
#include "api.h"

namespace fp8lab::cuda {

/** Both passes of SwiGLU on device pointers: x [rows, 2 * inter], gate before up; grad [rows, inter] for the backward pass. `weights` and `row_to_slot` may be null. */
struct SwigluLaunch {
  MatrixView x;
  MatrixView grad;
  const u32* weights;
  const u32* row_to_slot;
  u32 clamp;
};

/** act = silu(gate) * up, times the row's weight, to fp8 in one kernel: bf16 in tiles of 1x128 or 128x1. False where that does not hold. */
bool launch_swiglu_fast(const SwigluLaunch& swiglu, const Scheme& scheme, const QuantizeTarget& target, cudaStream_t stream, const std::string& where);
/** Gradients of gate and up [rows, 2 * inter] to fp8 in one kernel: bf16, tiles of 1x128, inter a multiple of 128. False where that does not hold. */
bool launch_swiglu_backward_fast(const SwigluLaunch& swiglu, const Scheme& scheme, const QuantizeTarget& target, cudaStream_t stream, const std::string& where);
/** f32 act [rows, inter], any format. */
void launch_swiglu(const SwigluLaunch& swiglu, u32* act, cudaStream_t stream, const std::string& where);
/** f32 gradients [rows, 2 * inter], any format. */
void launch_swiglu_backward(const SwigluLaunch& swiglu, u32* dx, cudaStream_t stream, const std::string& where);
/** f32 gradients of the weights [rows]: sums of grad * act over 128 columns each, then of those, in their order. */
void launch_weight_gradients(const SwigluLaunch& swiglu, u32* dweights, cudaStream_t stream, const std::string& where);

Tensors compute(const SwigluQuantizeSpec& spec, const Tensors& inputs, const std::string& where);
Tensors compute(const SwigluBackwardSpec& spec, const Tensors& inputs, const std::string& where);

}  // namespace fp8lab::cuda
