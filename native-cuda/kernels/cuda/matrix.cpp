#include "matrix.h"

#include "../../errors.h"
#include "../inputs.h"
#include "../tiles.h"
#include "check.h"

namespace fp8lab::cuda {

using host::Quantized;

Matrix upload_matrix(const Tensor& tensor, const std::string& where) {
  Matrix matrix{upload(tensor.lanes.data(), tensor.lanes.bytes(), where), {}, {}};
  FormatId format;
  if (!format_of_dtype(tensor.dtype, format)) {
    throw input_error("wrong-dtype", "a tensor of dtype " + std::string(info_of(tensor.dtype).name) + " cannot be read as numbers", where,
                      "give F32, BF16, F16 or an FP8, FP6 or FP4 dtype");
  }
  matrix.view = {matrix.lanes.as(), tensor.lanes.width(), format, element_count(tensor.shape) / tensor.shape.back(), tensor.shape.back(), nullptr, 1, 1};
  return matrix;
}

Matrix upload_quantized(const Quantized& quantized, const Scheme& scheme, const std::string& where) {
  Matrix matrix = upload_matrix(*quantized.codes, where);
  const TileGrid grid = tile_grid(matrix.view.rows, matrix.view.columns, scheme);
  const std::vector<u32> factors = host::tile_factors(quantized, scheme);
  matrix.factors = upload(factors.data(), static_cast<i64>(factors.size()) * 4, where);
  matrix.view.format = scheme.format;
  matrix.view.factors = matrix.factors.as<u32>();
  matrix.view.tile_rows = grid.tile_rows;
  matrix.view.tile_columns = grid.tile_columns;
  return matrix;
}

QuantizedOutput::QuantizedOutput(i64 rows, i64 columns, const Scheme& scheme, const std::string& where)
    : rows_(rows), columns_(columns), scheme_(scheme), grid_(tile_grid(rows, columns, scheme)), where_(where),
      codes_(rows * columns * lane_bytes(dtype_of(scheme.format)), where), scales_(grid_.rows * grid_.columns * 4, where), tensor_scale_(4, where) {}

QuantizeTarget QuantizedOutput::target() const { return {codes_.as(), lane_bytes(dtype_of(scheme_.format)), scales_.as<u32>(), grid_.columns, 1}; }

Quantized QuantizedOutput::download() const {
  finish(where_);
  Quantized quantized;
  quantized.codes = std::make_shared<Tensor>(cuda::download(codes_, dtype_of(scheme_.format), {rows_, columns_}, where_));
  std::vector<u32> stored(static_cast<std::size_t>(grid_.rows * grid_.columns));
  check(cudaMemcpy(stored.data(), scales_.as(), stored.size() * 4, cudaMemcpyDeviceToHost), "cudaMemcpy", where_);
  scales_.require_guard(where_);
  quantized.scales = std::make_shared<Tensor>(store_scales(stored.data(), grid_, scheme_));
  if (tensor_scale() != nullptr) quantized.tensor_scale = std::make_shared<Tensor>(cuda::download(tensor_scale_, DType::F32, {1}, where_));
  return quantized;
}

Tensors quantized_tensors(Quantized quantized) {
  const auto moved = [](const std::shared_ptr<const Tensor>& tensor) { return std::move(const_cast<Tensor&>(*tensor)); };
  Tensors tensors;
  tensors.emplace("codes", moved(quantized.codes));
  tensors.emplace("scales", moved(quantized.scales));
  if (quantized.tensor_scale) tensors.emplace("tensor_scale", moved(quantized.tensor_scale));
  return tensors;
}

Quantized quantize(const Matrix& x, const Scheme& scheme, const std::string& where) {
  const QuantizedOutput output(x.view.rows, x.view.columns, scheme, where);
  if (!launch_quantize_fast(x.view, scheme, output.target(), nullptr, where)) {
    launch_quantize_general(x.view, scheme, output.target(), output.tensor_scale(), nullptr, where);
  }
  return output.download();
}

Quantized operand(const std::string& name, const OperandSpec& spec, const Tensors& inputs, i64 rows, i64 columns, const std::string& where) {
  const OperandNames names = operand_names(name);
  if (inputs.count(names.scales) != 0 || spec.codes) return host::quantized_operand(name, spec, inputs, rows, columns, 0);
  const Tensor& x = require_tensor(inputs, name);
  require_shape(name, x, {rows, columns});
  return quantize(upload_matrix(x, where), spec.scheme, where);
}

}  // namespace fp8lab::cuda
