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

Quantized quantize(const Matrix& x, const Scheme& scheme, const std::string& where) {
  const i64 rows = x.view.rows, columns = x.view.columns;
  const TileGrid grid = tile_grid(rows, columns, scheme);
  const DType dtype = dtype_of(scheme.format);
  Buffer codes(rows * columns * lane_bytes(dtype), where);
  Buffer scales(grid.rows * grid.columns * 4, where);
  Buffer tensor_scale(4, where);
  const QuantizeTarget target{codes.as(), lane_bytes(dtype), scales.as<u32>(), grid.columns, 1};
  const bool two_level = scheme.recipe == Recipe::nvfp4;
  if (!launch_quantize_fast(x.view, scheme, target, nullptr, where)) {
    launch_quantize_general(x.view, scheme, target, two_level ? tensor_scale.as<u32>() : nullptr, nullptr, where);
  }
  finish(where);
  Quantized quantized;
  quantized.codes = std::make_shared<Tensor>(download(codes, dtype, {rows, columns}, where));
  std::vector<u32> stored(static_cast<std::size_t>(grid.rows * grid.columns));
  check(cudaMemcpy(stored.data(), scales.as(), stored.size() * 4, cudaMemcpyDeviceToHost), "cudaMemcpy", where);
  scales.require_guard(where);
  quantized.scales = std::make_shared<Tensor>(store_scales(stored.data(), grid, scheme));
  if (two_level) quantized.tensor_scale = std::make_shared<Tensor>(download(tensor_scale, DType::F32, {1}, where));
  return quantized;
}

Quantized operand(const std::string& name, const OperandSpec& spec, const Tensors& inputs, i64 rows, i64 columns, const std::string& where) {
  const OperandNames names = operand_names(name);
  if (inputs.count(names.scales) != 0 || spec.codes) return host::quantized_operand(name, spec, inputs, rows, columns, 0);
  const Tensor& x = require_tensor(inputs, name);
  require_shape(name, x, {rows, columns});
  return quantize(upload_matrix(x, where), spec.scheme, where);
}

}  // namespace fp8lab::cuda
