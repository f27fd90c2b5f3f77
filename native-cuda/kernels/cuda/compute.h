#pragma once
// Each kernel from its inputs to its results, on a CUDA device. device.cpp calls them by the type of the spec; a new kernel declares its own
// in a header that is included here. `where` names the kernel and the spec in errors.

#include <string>

#include "../../errors.h"
#include "../../specs/spec.h"
#include "../../tensors/tensor.h"
#include "dispatch.h"
#include "gate.h"
#include "moe.h"
#include "swiglu.h"

namespace fp8lab::cuda {

Tensors compute(const QuantizeSpec& spec, const Tensors& inputs, const std::string& where);
Tensors compute(const DequantizeSpec& spec, const Tensors& inputs, const std::string& where);
Tensors compute(const RequantizeSpec& spec, const Tensors& inputs, const std::string& where);
Tensors compute(const GemmSpec& spec, const Tensors& inputs, const std::string& where);
Tensors compute(const GroupedGemmSpec& spec, const Tensors& inputs, const std::string& where);

/** A kernel that the CUDA wing does not compute. */
template <class Kernel>
Tensors compute(const Kernel&, const Tensors&, const std::string& where) {
  throw Error(ErrorKind::environment, "no-cuda-kernel", "there is no CUDA kernel for " + std::string(Kernel::name), where, "use --device host");
}

}  // namespace fp8lab::cuda
