#pragma once
// dispatch and combine over virtual ranks, on the host.

#include "../../specs/kernels/dispatch.h"
#include "../../tensors/tensor.h"

namespace fp8lab::host {

Tensors compute(const DispatchSpec& spec, const Tensors& inputs, int threads);
Tensors compute(const CombineSpec& spec, const Tensors& inputs, int threads);
i64 bytes_made(const DispatchSpec& spec);
i64 bytes_made(const CombineSpec& spec);

}  // namespace fp8lab::host
