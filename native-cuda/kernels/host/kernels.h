#pragma once
// The kernels on the host: threaded, vectorized, and equal to the reference bit for bit. One file each.

#include <functional>
#include <memory>
#include <utility>

#include "../../specs/spec.h"
#include "../../tensors/tensor.h"

namespace fp8lab::host {

/** A matrix as codes with its scales, made or given; `tensor_scale` [1] F32 only for nvfp4. */
struct Quantized {
  std::shared_ptr<const Tensor> codes;
  std::shared_ptr<const Tensor> scales;
  std::shared_ptr<const Tensor> tensor_scale;
};

/** Moves a made tensor out, or copies what it shares. */
inline Tensor take(std::shared_ptr<const Tensor> tensor) { return std::move(const_cast<Tensor&>(*tensor)); }

/** Writes f32 bits of the elements [column, column + count) of a row. Called from several threads. */
using RowSource = std::function<void(i64 row, i64 column, i64 count, u32* bits)>;

/** A high-precision tensor [rows, columns] as a source; F32, BF16, F16 or any code dtype. */
RowSource widened(const Tensor& x);

/** f32 bits of fl(code * scale) for every element. */
RowSource dequantized(const Quantized& quantized, const Scheme& scheme);

/** docs/numerics.md, "Quantization". */
Quantized quantize(const RowSource& source, i64 rows, i64 columns, const Scheme& scheme, int threads);

/** docs/numerics.md, "Dequantization": x [rows, columns]. */
Tensor dequantize(const Quantized& quantized, const Scheme& scheme, FormatId output, int threads);

/** An operand's codes and scales: those among the inputs, or its high-precision tensor quantized by its scheme. */
Quantized quantized_operand(const std::string& name, const OperandSpec& operand, const Tensors& inputs, i64 rows, i64 columns, int threads);

/** f32 bits of the dequantizing factor of every tile, row-major over the tiles. */
std::vector<u32> tile_factors(const Quantized& quantized, const Scheme& scheme);

/** D = C + A * B^T: docs/numerics.md, "Products". `c` may be absent. */
Tensor gemm(const GemmSpec& spec, const Quantized& a, const Quantized& b, const Tensor* c, int threads);

/** f32 bits rounded to an output format, nearest even, Inf past the largest, into lanes at `first`. */
void narrow(const u32* bits, i64 count, FormatId output, Lanes& lanes, i64 first);

}  // namespace fp8lab::host
