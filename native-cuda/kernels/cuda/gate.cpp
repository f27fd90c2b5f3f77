// The gate as a Device runs it: upload, launch, download.

#include "gate.h"

#include <cstring>

#include "../host/kernels.h"
#include "matrix.h"
#include "transfer.h"

namespace fp8lab::cuda {

namespace {

/** A tensor of 32-bit lanes on the device; empty where there is none. */
Buffer upload_lanes(const Tensor* tensor, const std::string& where) {
  return tensor == nullptr ? Buffer() : upload(tensor->lanes.data(), tensor->lanes.bytes(), where);
}

}  // namespace

Tensors compute(const GateSpec& spec, const Tensors& inputs, const std::string& where) {
  const GateInputs given = gate_inputs(spec, inputs);
  const Matrix logits = upload_matrix(*given.logits, where);
  Buffer bias;
  if (given.bias != nullptr) {
    std::vector<u32> bits(static_cast<std::size_t>(spec.experts));
    host::widened(*given.bias)(0, 0, spec.experts, bits.data());
    bias = upload(bits.data(), 4 * spec.experts, where);
  }
  const Buffer mask = upload_lanes(given.mask, where), indices = upload_lanes(given.indices, where);
  const Buffer experts(4 * spec.tokens * spec.slots(), where), weights(4 * spec.tokens * spec.slots(), where), load(4 * spec.experts, where);
  const Buffer gaps(4 * spec.tokens, where), group_gaps(4 * spec.tokens, where);
  check(cudaMemset(load.as(), 0, static_cast<std::size_t>(4 * spec.experts)), "cudaMemset", where);
  launch_gate({spec.gate, spec.tokens, spec.experts, logits.view, bias.as<u32>(), mask.as<u32>(), indices.as<u32>(), experts.as<u32>(), weights.as<u32>(), load.as<u32>(),
               gaps.as<u32>(), group_gaps.as<u32>()},
              nullptr, where);
  finish(where);
  Tensors tensors;
  tensors.emplace("topk_idx", download(experts, DType::I32, {spec.tokens, spec.slots()}, where));
  tensors.emplace("topk_weights", download(weights, DType::F32, {spec.tokens, spec.slots()}, where));
  tensors.emplace("load", download(load, DType::I32, {spec.experts}, where));
  if (!spec.indices) tensors.emplace("near_ties", download(gaps, DType::F32, {spec.tokens}, where));
  if (spec.limits_groups()) tensors.emplace("group_gaps", download(group_gaps, DType::F32, {spec.tokens}, where));
  return tensors;
}

}  // namespace fp8lab::cuda
