#include "inputs.h"

#include "tiles.h"

namespace fp8lab {

namespace {

/** A file's own dtype is taken as it is; BF16 stands for it here. */
InputDeclaration declare(const std::string& name, const Input& input, std::vector<i64> shape) {
  const auto* generated = std::get_if<GeneratedInput>(&input);
  return {name, generated ? dtype_of(generated->dtype) : DType::BF16, std::move(shape), input};
}

[[maybe_unused]] InputDeclaration declare_integers(const std::string& name, const Input& input, std::vector<i64> shape) {
  return {name, DType::I32, std::move(shape), input};
}

void declare_operand(std::vector<InputDeclaration>& declarations, const std::string& name, const OperandSpec& operand, i64 rows,
                     i64 columns) {
  if (operand.input) {
    declarations.push_back(declare(name, *operand.input, {rows, columns}));
    return;
  }
  const OperandNames names = operand_names(name);
  declarations.push_back({names.codes, dtype_of(operand.scheme.format), {rows, columns}, *operand.codes});
  if (!operand.scales) return;
  const TileGrid grid = tile_grid(rows, columns, operand.scheme);
  declarations.push_back({names.scales, scale_dtype(operand.scheme), scale_shape(grid, operand.scheme), *operand.scales});
}

}  // namespace

OperandNames operand_names(const std::string& operand) {
  if (operand == "x") return {"codes", "scales", "tensor_scale"};
  return {operand, operand + "_scales", operand + "_tensor_scale"};
}

std::vector<InputDeclaration> declare_inputs(const Spec& spec) {
  std::vector<InputDeclaration> declarations;
  if (const auto* quantize = std::get_if<QuantizeSpec>(&spec.kernel)) {
    declarations.push_back(declare("x", quantize->x, {quantize->rows, quantize->columns}));
  } else if (const auto* dequantize = std::get_if<DequantizeSpec>(&spec.kernel)) {
    declare_operand(declarations, "x", dequantize->x, dequantize->rows, dequantize->columns);
  } else if (const auto* requantize = std::get_if<RequantizeSpec>(&spec.kernel)) {
    declare_operand(declarations, "x", requantize->x, requantize->rows, requantize->columns);
  } else {
    const auto& gemm = std::get<GemmSpec>(spec.kernel);
    declare_operand(declarations, "a", gemm.a, gemm.m, gemm.k);
    declare_operand(declarations, "b", gemm.b, gemm.n, gemm.k);
    if (gemm.c) declarations.push_back(declare("c", *gemm.c, {gemm.m, gemm.n}));
  }
  return declarations;
}

}  // namespace fp8lab
