#pragma once
// Each kernel from its inputs to its results, on the host. device.cpp calls them by the type of the spec; a new kernel declares its own two
// functions in a header that is included here.

#include "../../specs/spec.h"
#include "../../tensors/tensor.h"
#include "balance.h"
#include "gate.h"
#include "dispatch.h"
#include "grouped_gemm.h"
#include "moe_layer.h"
#include "permute.h"
#include "swiglu.h"

namespace fp8lab::host {

/** Result tensors under the contract's names, on `threads` threads (0: all cores). */
Tensors compute(const QuantizeSpec& spec, const Tensors& inputs, int threads);
Tensors compute(const DequantizeSpec& spec, const Tensors& inputs, int threads);
Tensors compute(const RequantizeSpec& spec, const Tensors& inputs, int threads);
Tensors compute(const GemmSpec& spec, const Tensors& inputs, int threads);

/** Bytes of what a kernel makes, near enough: codes of its operands, results, and what a gemm packs. */
i64 bytes_made(const QuantizeSpec& spec);
i64 bytes_made(const DequantizeSpec& spec);
i64 bytes_made(const RequantizeSpec& spec);
i64 bytes_made(const GemmSpec& spec);

}  // namespace fp8lab::host
