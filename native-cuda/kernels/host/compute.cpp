// The kernels on matrices, from inputs to results.

#include "compute.h"

#include "../inputs.h"
#include "../tiles.h"
#include "kernels.h"
#include "lanes.h"
#include "parallel.h"

namespace fp8lab::host {

namespace {

i64 lanes_of(i64 count, FormatId format) { return count * lane_bytes(dtype_of(format)); }

/** Bytes of an operand's codes, where the kernel makes them. */
i64 made_codes(const OperandSpec& operand, i64 count) { return operand.input ? lanes_of(count, operand.scheme.format) : 0; }

Tensors quantized_tensors(Quantized quantized) {
  Tensors tensors;
  tensors.emplace("codes", take(quantized.codes));
  tensors.emplace("scales", take(quantized.scales));
  if (quantized.tensor_scale) tensors.emplace("tensor_scale", take(quantized.tensor_scale));
  return tensors;
}

}  // namespace

Tensors compute(const QuantizeSpec& spec, const Tensors& inputs, int threads) {
  const Tensor& x = require_tensor(inputs, "x");
  require_shape("x", x, {spec.rows, spec.columns});
  return quantized_tensors(quantize(widened(x), spec.rows, spec.columns, spec.scheme, threads));
}

Tensors compute(const DequantizeSpec& spec, const Tensors& inputs, int threads) {
  const Quantized x = quantized_operand("x", spec.x, inputs, spec.rows, spec.columns, threads);
  Tensors tensors;
  tensors.emplace("x", dequantize(x, spec.x.scheme, spec.output, threads));
  return tensors;
}

Tensors compute(const RequantizeSpec& spec, const Tensors& inputs, int threads) {
  const Quantized x = quantized_operand("x", spec.x, inputs, spec.rows, spec.columns, threads);
  return quantized_tensors(quantize(dequantized(x, spec.x.scheme), spec.rows, spec.columns, spec.to, threads));
}

Tensors compute(const GemmSpec& spec, const Tensors& inputs, int threads) {
  const Quantized a = quantized_operand("a", spec.a, inputs, spec.m, spec.k, threads);
  const Quantized b = quantized_operand("b", spec.b, inputs, spec.n, spec.k, threads);
  const auto c = inputs.find("c");
  Tensors tensors;
  tensors.emplace("d", gemm(spec, a, b, c == inputs.end() ? nullptr : &c->second, threads));
  return tensors;
}

i64 bytes_made(const QuantizeSpec& spec) { return lanes_of(spec.rows * spec.columns, spec.scheme.format); }

i64 bytes_made(const DequantizeSpec& spec) {
  const i64 count = spec.rows * spec.columns;
  return made_codes(spec.x, count) + lanes_of(count, spec.output);
}

i64 bytes_made(const RequantizeSpec& spec) {
  const i64 count = spec.rows * spec.columns;
  return made_codes(spec.x, count) + lanes_of(count, spec.to.format);
}

i64 bytes_made(const GemmSpec& spec) {
  const i64 bytes = made_codes(spec.a, spec.m * spec.k) + made_codes(spec.b, spec.n * spec.k) + lanes_of(spec.m * spec.n, spec.output);
  return bytes + least<i64>(6 * spec.m * spec.k, i64{1} << 28) + 6 * group * spec.k * thread_count(0);
}

}  // namespace fp8lab::host
