#pragma once
// Products of quantized operands on the device: the wgmma kernel where it computes exactly the spec's arithmetic, the general one elsewhere.

#include <string>
#include <vector>

#include "../host/grouped_gemm.h"
#include "matrix.h"

namespace fp8lab::cuda {

/** D = C + A * B^T of quantized operands; `c` may be null. */
Tensor multiply(const GemmSpec& spec, const host::Quantized& a, const host::Quantized& b, const Tensor* c, const std::string& where);

/** D of all groups, quantized on the device: one launch of the wgmma kernel where it holds this arithmetic and layout, else a product for each group. */
Tensor multiply_groups(const GroupedGemmSpec& spec, const Tensors& inputs, const std::string& where);

}  // namespace fp8lab::cuda
