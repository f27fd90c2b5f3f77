// What real tensor cores returned (test/data/tensor-core) against the models, and against the host gemm.

#include "../numerics/tensor_core.h"

#include <filesystem>

#include "../kernels/device.h"
#include "../tensors/safetensors.h"
#include "check.h"
#include "models.h"

namespace fp8lab::test {

namespace {

Tensors recorded(const std::string& device, FormatId format) {
  if (data_folder().empty()) throw Skip("no --data folder was given");
  return read_tensors(
      (std::filesystem::path(data_folder()) / "tensor-core" / (device + "-" + format_names[static_cast<int>(format)] + ".safetensors"))
          .string());
}

/** The sum of 32 products from C by steps of `terms`. */
u32 dot(const Model& model, const Format& format, const u8* a, const u8* b, u32 c) {
  const auto term = [&](i64 k) { return product(decode_operand(a[k], format), decode_operand(b[k], format)); };
  for (i64 first = 0; first < 32; first += model.terms) {
    c = aligned_step(model, 2 * format.mantissa_bits, c, model.terms, [&](i64 i) { return term(first + i); });
  }
  return c;
}

void reproduce(const std::string& device, FormatId id, const Model& model) {
  const Tensors tensors = recorded(device, id);
  const Tensor& d = tensors.at("d");
  const auto c = tensors.find("c");
  check_equal(d.lanes.count(), i64{2500}, "dot products");
  for (i64 i = 0; i < d.lanes.count(); i++) {
    const u32 from = c == tensors.end() ? 0 : c->second.lanes.get(i);
    const u32 sum = dot(model, format_of(id), tensors.at("a").lanes.as<u8>() + 32 * i, tensors.at("b").lanes.as<u8>() + 32 * i, from);
    check_equal(sum, d.lanes.get(i), device + " dot product " + std::to_string(i));
  }
}

FP8LAB_TEST("tensor-core", "the Hopper model gives every recorded H100 output, e4m3") { reproduce("h100", FormatId::e4m3, hopper); }
FP8LAB_TEST("tensor-core", "the Hopper model gives every recorded H100 output, e5m2") { reproduce("h100", FormatId::e5m2, hopper); }
FP8LAB_TEST("tensor-core", "the Ada model gives every recorded L40S output, e4m3") { reproduce("l40s", FormatId::e4m3, ada); }
FP8LAB_TEST("tensor-core", "the Ada model gives every recorded L40S output, e5m2") { reproduce("l40s", FormatId::e5m2, ada); }

Scheme unit_scheme(FormatId format) {
  return {format, 0, 0, FormatId::f32, Recipe::divide, 0, ScaleLayout::row_major, Rounding::nearest_even, Overflow::saturate, 0};
}

Tensor unit_scale() {
  Tensor scale = allocate(DType::F32, {1, 1});
  scale.lanes.set(0, one_bits);
  return scale;
}

Tensor copy(const Tensor& tensor) {
  Tensor result = allocate(tensor.dtype, tensor.shape);
  for (i64 i = 0; i < tensor.lanes.count(); i++) result.lanes.set(i, tensor.lanes.get(i));
  return result;
}

FP8LAB_TEST("tensor-core", "the host gemm gives every recorded H100 output on its diagonal") {
  for (const FormatId id : {FormatId::e4m3, FormatId::e5m2}) {
    const Tensors tensors = recorded("h100", id);
    Tensors inputs;
    inputs.emplace("a", copy(tensors.at("a")));
    inputs.emplace("b", copy(tensors.at("b")));
    inputs.emplace("a_scales", unit_scale());
    inputs.emplace("b_scales", unit_scale());
    GemmSpec gemm{2500, 2500, 32,           {unit_scheme(id), {}, GeneratedInput{}, {}}, {unit_scheme(id), {}, GeneratedInput{}, {}},
                  {},   {},   FormatId::f32};
    gemm.arithmetic = {hopper, 0, Combine::scales_first, Promote::fused};
    const Outcome outcome = make_host_device(0)->run({"recorded", false, gemm}, inputs);
    for (i64 i = 0; i < 2500; i++) {
      check_equal(outcome.tensors.at("d").lanes.get(2501 * i), tensors.at("d").lanes.get(i), "diagonal element " + std::to_string(i));
    }
  }
}

}  // namespace

}  // namespace fp8lab::test
