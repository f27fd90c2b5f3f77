#include "gate.h"

#include <cstring>

#include "../errors.h"
#include "tiles.h"

namespace fp8lab {

Declarations inputs_of(const GateSpec& spec) {
  Declarations declarations{declare_input("logits", spec.logits, {spec.tokens, spec.experts})};
  if (spec.bias) declarations.push_back(declare_input("bias", *spec.bias, {spec.experts}));
  if (spec.mask) declarations.push_back(declare_integers("mask", *spec.mask, {spec.tokens}));
  if (spec.indices) declarations.push_back(declare_integers("indices", *spec.indices, {spec.tokens, spec.gate.topk}));
  return declarations;
}

Declarations inputs_of(const BiasUpdateSpec& spec) {
  return {declare_input("bias", spec.bias, {spec.experts}), declare_integers("load", spec.load, {spec.experts})};
}

Declarations inputs_of(const BalanceLossSpec& spec) { return {declare_input("logits", spec.logits, {spec.tokens, spec.experts})}; }

Declarations inputs_of(const LoadStatisticsSpec& spec) { return {declare_integers("topk_idx", spec.topk_idx, {spec.tokens, spec.topk})}; }

namespace {

const Tensor* checked(const Tensors& inputs, const std::string& name, const std::vector<i64>& shape) {
  const Tensor& tensor = require_tensor(inputs, name);
  require_shape(name, tensor, shape);
  return &tensor;
}

void require_experts(const Tensor& indices, i64 experts) {
  require_dtype("indices", indices, DType::I32);
  const u32* lanes = indices.lanes.as<u32>();
  for (i64 i = 0; i < indices.lanes.count(); i++) {
    if (lanes[i] == gate::no_expert || lanes[i] < static_cast<u64>(experts)) continue;
    const i64 topk = indices.shape[1];
    throw input_error("no-such-expert",
                      "indices[" + std::to_string(i / topk) + ", " + std::to_string(i % topk) + "] is " +
                          std::to_string(static_cast<i32>(lanes[i])) + ", and there are " + std::to_string(experts) + " experts",
                      "indices", "use 0 to " + std::to_string(experts - 1) + ", and -1 for none");
  }
}

}  // namespace

GateInputs gate_inputs(const GateSpec& spec, const Tensors& inputs) {
  GateInputs given{};
  given.logits = checked(inputs, "logits", {spec.tokens, spec.experts});
  if (spec.bias) given.bias = checked(inputs, "bias", {spec.experts});
  if (spec.mask) given.mask = checked(inputs, "mask", {spec.tokens});
  if (spec.mask) require_dtype("mask", *given.mask, DType::I32);
  if (spec.indices) {
    given.indices = checked(inputs, "indices", {spec.tokens, spec.gate.topk});
    require_experts(*given.indices, spec.experts);
  }
  return given;
}

Tensors gate_results(const GateSpec& spec) {
  Tensors tensors;
  tensors.emplace("topk_idx", allocate_result(DType::I32, {spec.tokens, spec.slots()}));
  tensors.emplace("topk_weights", allocate_result(DType::F32, {spec.tokens, spec.slots()}));
  Tensor load = allocate_result(DType::I32, {spec.experts});
  std::memset(load.lanes.data(), 0, static_cast<std::size_t>(load.lanes.bytes()));
  tensors.emplace("load", std::move(load));
  if (!spec.indices) tensors.emplace("near_ties", allocate_result(DType::F32, {spec.tokens}));
  if (spec.limits_groups()) tensors.emplace("group_gaps", allocate_result(DType::F32, {spec.tokens}));
  return tensors;
}

}  // namespace fp8lab
