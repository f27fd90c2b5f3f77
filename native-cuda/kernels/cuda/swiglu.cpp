// Both passes of SwiGLU as a Device runs them: uploads, launches, downloads.

#include "swiglu.h"

#include "../host/swiglu.h"
#include "../tiles.h"
#include "matrix.h"
#include "transfer.h"

namespace fp8lab::cuda {

namespace {

/** A pass's inputs on the device. */
struct Inputs {
  Matrix x, grad;
  Buffer weights, row_to_slot;
  SwigluLaunch launch;

  Inputs(const host::SwigluOperands& operands, const std::string& where) : x(upload_matrix(*operands.x, where)) {
    if (operands.grad != nullptr) grad = upload_matrix(*operands.grad, where);
    if (operands.weights != nullptr) weights = upload_words(operands.weights, operands.rows, where);
    if (operands.row_to_slot != nullptr) row_to_slot = upload_words(operands.row_to_slot, operands.rows, where);
    launch = {x.view, grad.view, weights.as<u32>(), row_to_slot.as<u32>(), operands.clamp};
  }
};

/** A pass's result by one of the two: straight to codes where `fast` does it, else f32 of `columns` columns by `wide`, quantized or rounded under `name`. */
template <class Fast, class Wide>
Tensors finish_pass(const SwigluFields& spec, i64 columns, const char* name, const std::string& where, const Fast& fast, const Wide& wide) {
  if (spec.scheme) {
    const QuantizedOutput output(spec.rows, columns, *spec.scheme, where);
    if (fast(output.target())) return quantized_tensors(output.download());
  }
  Matrix result{Buffer(4 * spec.rows * columns, where), {}, {}};
  wide(result.lanes.as<u32>());
  finish(where);
  result.lanes.require_guard(where);
  result.view = {result.lanes.as(), 4, FormatId::f32, spec.rows, columns, nullptr, 1, 1};
  if (spec.scheme) return quantized_tensors(quantize(result, *spec.scheme, where));
  const DType dtype = dtype_of(spec.output);
  const Buffer out(spec.rows * columns * lane_bytes(dtype), where);
  launch_dequantize(result.view, out.as(), spec.output, nullptr, where);
  finish(where);
  Tensors tensors;
  tensors.emplace(name, download(out, dtype, {spec.rows, columns}, where));
  return tensors;
}

}  // namespace

Tensors compute(const SwigluQuantizeSpec& spec, const Tensors& inputs, const std::string& where) {
  const Inputs given(host::swiglu_operands(spec, inputs), where);
  return finish_pass(
      spec, spec.inter, "act", where, [&](const QuantizeTarget& target) { return launch_swiglu_fast(given.launch, *spec.scheme, target, nullptr, where); },
      [&](u32* act) { launch_swiglu(given.launch, act, nullptr, where); });
}

Tensors compute(const SwigluBackwardSpec& spec, const Tensors& inputs, const std::string& where) {
  host::SwigluOperands operands = host::swiglu_operands(spec, inputs);
  operands.grad = &require_tensor(inputs, "grad");
  require_shape("grad", *operands.grad, {spec.rows, spec.inter});
  const Inputs given(operands, where);
  Tensors tensors = finish_pass(
      spec, 2 * spec.inter, "dx", where, [&](const QuantizeTarget& target) { return launch_swiglu_backward_fast(given.launch, *spec.scheme, target, nullptr, where); },
      [&](u32* dx) { launch_swiglu_backward(given.launch, dx, nullptr, where); });
  if (operands.weights == nullptr) return tensors;
  const Buffer dweights(4 * spec.rows, where);
  launch_weight_gradients(given.launch, dweights.as<u32>(), nullptr, where);
  finish(where);
  tensors.emplace("dweights", download(dweights, DType::F32, {spec.rows}, where));
  return tensors;
}

}  // namespace fp8lab::cuda
