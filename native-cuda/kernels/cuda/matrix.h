#pragma once
// Matrices on the device, and quantizing them there.

#include <string>

#include "../host/kernels.h"
#include "api.h"
#include "transfer.h"

namespace fp8lab::cuda {

/** A matrix on the device for the general kernels. */
struct Matrix {
  Buffer lanes;
  Buffer factors;
  MatrixView view;
};

/** A tensor as a matrix: its last extent counts as columns. */
Matrix upload_matrix(const Tensor& tensor, const std::string& where);
/** Codes with the factors of their tiles. */
Matrix upload_quantized(const host::Quantized& quantized, const Scheme& scheme, const std::string& where);
/** Codes and scales, back on the host. */
host::Quantized quantize(const Matrix& x, const Scheme& scheme, const std::string& where);
/** An operand's codes and scales, quantized on the device where they are not given. */
host::Quantized operand(const std::string& name, const OperandSpec& spec, const Tensors& inputs, i64 rows, i64 columns, const std::string& where);

}  // namespace fp8lab::cuda
