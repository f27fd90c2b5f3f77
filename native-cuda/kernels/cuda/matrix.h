#pragma once
// Matrices on the device, and quantizing them there.

#include <string>

#include "../host/kernels.h"
#include "../tiles.h"
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
/** Device memory for the codes and scales of a matrix, and the way back to the host. */
class QuantizedOutput {
 public:
  QuantizedOutput(i64 rows, i64 columns, const Scheme& scheme, const std::string& where);
  /** Scales row-major over the tiles. */
  QuantizeTarget target() const;
  /** Of nvfp4; else null. */
  u32* tensor_scale() const { return scheme_.recipe == Recipe::nvfp4 ? tensor_scale_.as<u32>() : nullptr; }
  /** Waits for the kernels, and lays the scales out as the scheme has them. */
  host::Quantized download() const;

 private:
  i64 rows_, columns_;
  Scheme scheme_;
  TileGrid grid_;
  std::string where_;
  Buffer codes_, scales_, tensor_scale_;
};

/** `codes`, `scales` and, of nvfp4, `tensor_scale`. */
Tensors quantized_tensors(host::Quantized quantized);

/** Codes and scales, back on the host. */
host::Quantized quantize(const Matrix& x, const Scheme& scheme, const std::string& where);
/** An operand's codes and scales, quantized on the device where they are not given. */
host::Quantized operand(const std::string& name, const OperandSpec& spec, const Tensors& inputs, i64 rows, i64 columns, const std::string& where);

}  // namespace fp8lab::cuda
