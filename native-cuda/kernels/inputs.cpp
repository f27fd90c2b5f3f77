#include "inputs.h"

#include "gate.h"
#include "groups.h"
#include "tiles.h"

namespace fp8lab {

InputDeclaration declare_input(const std::string& name, const Input& input, std::vector<i64> shape) {
  const auto* generated = std::get_if<GeneratedInput>(&input);
  return {name, generated ? dtype_of(generated->dtype) : DType::BF16, std::move(shape), input};
}

InputDeclaration declare_integers(const std::string& name, const Input& input, std::vector<i64> shape) {
  return {name, DType::I32, std::move(shape), input};
}

void declare_operand(Declarations& declarations, const std::string& name, const OperandSpec& operand, i64 rows, i64 columns) {
  if (operand.input) {
    declarations.push_back(declare_input(name, *operand.input, {rows, columns}));
    return;
  }
  const OperandNames names = operand_names(name);
  declarations.push_back({names.codes, dtype_of(operand.scheme.format), {rows, columns}, *operand.codes});
  if (!operand.scales) return;
  const TileGrid grid = tile_grid(rows, columns, operand.scheme);
  declarations.push_back({names.scales, scale_dtype(operand.scheme), scale_shape(grid, operand.scheme), *operand.scales});
}

OperandNames operand_names(const std::string& operand) {
  if (operand == "x") return {"codes", "scales", "tensor_scale"};
  return {operand, operand + "_scales", operand + "_tensor_scale"};
}

Declarations inputs_of(const QuantizeSpec& spec) { return {declare_input("x", spec.x, {spec.rows, spec.columns})}; }

Declarations inputs_of(const DequantizeSpec& spec) {
  Declarations declarations;
  declare_operand(declarations, "x", spec.x, spec.rows, spec.columns);
  return declarations;
}

Declarations inputs_of(const RequantizeSpec& spec) {
  Declarations declarations;
  declare_operand(declarations, "x", spec.x, spec.rows, spec.columns);
  return declarations;
}

Declarations inputs_of(const GemmSpec& spec) {
  Declarations declarations;
  declare_operand(declarations, "a", spec.a, spec.m, spec.k);
  declare_operand(declarations, "b", spec.b, spec.n, spec.k);
  if (spec.c) declarations.push_back(declare_input("c", *spec.c, {spec.m, spec.n}));
  return declarations;
}

Declarations declare_inputs(const Spec& spec) {
  return std::visit([](const auto& kernel) { return inputs_of(kernel); }, spec.kernel);
}

}  // namespace fp8lab
