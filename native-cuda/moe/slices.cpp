#include "slices.h"

#include <cstring>

#include "../errors.h"
#include "../kernels/groups.h"
#include "../kernels/inputs.h"
#include "../kernels/tiles.h"
#include "../tensors/safetensors.h"

namespace fp8lab::moe {

Share share_of(i64 items, int rank, int ranks) {
  const i64 first = items * rank / ranks, end = items * (rank + 1) / ranks;
  return {first, end - first};
}

int owner_of(i64 item, i64 items, int ranks) {
  int rank = static_cast<int>(item * ranks / items);
  while (!share_of(items, rank, ranks).holds(item)) rank += item < share_of(items, rank, ranks).first ? -1 : 1;
  return rank;
}

Tensor rows_of(const Tensor& tensor, const Share& rows) {
  std::vector<i64> shape = tensor.shape;
  const i64 row_bytes = shape.front() == 0 ? 0 : tensor.lanes.bytes() / shape.front();
  shape.front() = rows.count;
  Tensor part = allocate(tensor.dtype, std::move(shape));
  std::memcpy(part.lanes.data(), tensor.lanes.data() + rows.first * row_bytes, static_cast<std::size_t>(rows.count * row_bytes));
  return part;
}

namespace {

/** The rows that a rank takes of an input, by its name. */
Share rows_wanted(const InputDeclaration& declaration, const Share& tokens, const Share& experts) {
  const std::string& name = declaration.name;
  if (name == "bias") return {0, declaration.shape.front()};
  return name.rfind("w13", 0) == 0 || name.rfind("w2", 0) == 0 ? experts : tokens;
}

Tensor make_rows(const InputDeclaration& declaration, const Share& rows, int threads) {
  if (const auto* file = std::get_if<FileInput>(&declaration.input)) {
    const Tensor whole = read_tensor(file->file, file->tensor);
    require_shape(declaration.name, whole, declaration.shape);
    return rows_of(whole, rows);
  }
  if (const auto* integers = std::get_if<IntegerInput>(&declaration.input)) {
    return rows_of(generate_integers(*integers, declaration.shape, threads), rows);
  }
  Tensor tensor = generate_rows(std::get<GeneratedInput>(declaration.input), declaration.shape, rows.first, rows.count, threads);
  tensor.dtype = declaration.dtype;
  return tensor;
}

}  // namespace

Tensors rank_inputs(const MoeLayerSpec& spec, const Tensors& given, const Share& tokens, const Share& experts, int threads) {
  Tensors inputs;
  for (const InputDeclaration& declaration : inputs_of(spec)) {
    const Share rows = rows_wanted(declaration, tokens, experts);
    if (given.empty()) {
      inputs.emplace(declaration.name, make_rows(declaration, rows, threads));
      continue;
    }
    const Tensor& whole = require_tensor(given, declaration.name);
    require_shape(declaration.name, whole, declaration.shape);
    inputs.emplace(declaration.name, rows_of(whole, rows));
  }
  return inputs;
}

namespace {

Error not_shareable(const std::string& where, const std::string& problem, const std::string& fix) {
  return input_error("not-shareable", where + " " + problem, where, fix);
}

}  // namespace

void require_shareable(const MoeLayerSpec& spec, int ranks) {
  const std::string many = std::to_string(ranks) + " ranks";
  if (spec.tokens < ranks) {
    throw not_shareable("shape.tokens", "is " + std::to_string(spec.tokens) + ", for " + many, "use fewer ranks, or more tokens");
  }
  if (spec.all_experts() < ranks) {
    throw not_shareable("shape.experts", "is " + std::to_string(spec.all_experts()) + " with the shared ones, for " + many, "use fewer ranks");
  }
  for (const auto& [scheme, where] : {std::pair{&spec.x.scheme, "x.scheme"}, std::pair{&spec.activation, "activation"}}) {
    if (scheme->recipe == Recipe::nvfp4) {
      throw not_shareable(where, "has a scale of the whole tensor, and each rank holds a part", "use a recipe with scales of rows");
    }
    if (scheme->rounding == Rounding::stochastic) {
      throw not_shareable(where, "draws by the place in the whole tensor, and each rank holds a part", "round nearest-even");
    }
  }
  if (spec.x.codes && spec.x.scheme.layout != ScaleLayout::row_major) {
    throw not_shareable("x.scheme.scale.layout", "has the tokens of all ranks in one row", "give row-major scales");
  }
}

}  // namespace fp8lab::moe
