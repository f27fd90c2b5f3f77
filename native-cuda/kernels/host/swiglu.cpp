#include "swiglu.h"

#include <algorithm>

#include "../../numerics/swiglu.h"
#include "../inputs.h"
#include "../placement.h"
#include "../tiles.h"
#include "parallel.h"

namespace fp8lab::host {

namespace {

/** Columns whose products are summed one after the other before the sums are. */
constexpr i64 sum_columns = 128;
/** Columns that are written at a time where nothing is quantized. */
constexpr i64 act_span = 1024;

/** Buffers of a thread: a source may be asked from several at once. */
std::vector<u32>& scratch(int which, i64 count) {
  thread_local std::vector<u32> buffers[3];
  std::vector<u32>& buffer = buffers[which];
  if (buffer.size() < static_cast<std::size_t>(count)) buffer.resize(static_cast<std::size_t>(count));
  return buffer;
}

/** The source as the spec wants it: quantized, or rounded to its output under `name`. */
Tensors finish(const RowSource& source, const SwigluFields& spec, const char* name, i64 columns, int threads) {
  Tensors tensors;
  if (spec.scheme) {
    Quantized quantized = quantize(source, spec.rows, columns, *spec.scheme, threads);
    tensors.emplace("codes", std::move(const_cast<Tensor&>(*quantized.codes)));
    tensors.emplace("scales", std::move(const_cast<Tensor&>(*quantized.scales)));
    if (quantized.tensor_scale) tensors.emplace("tensor_scale", std::move(const_cast<Tensor&>(*quantized.tensor_scale)));
    return tensors;
  }
  Tensor result = allocate_result(dtype_of(spec.output), {spec.rows, columns});
  parallel_for(threads, spec.rows, [&](i64 row) {
    std::vector<u32> bits(act_span);
    for (i64 from = 0; from < columns; from += act_span) {
      const i64 count = std::min(act_span, columns - from);
      source(row, from, count, bits.data());
      narrow(bits.data(), count, spec.output, result.lanes, row * columns + from);
    }
  });
  tensors.emplace(name, std::move(result));
  return tensors;
}

/** Sum of grad * act over a row: blocks of columns, then their sums. */
u32 weight_gradient(const SwigluOperands& operands, const RowSource& x, const RowSource& grad, i64 row) {
  u32 gate[sum_columns], up[sum_columns], incoming[sum_columns];
  float total = 0;
  for (i64 start = 0; start < operands.inter; start += sum_columns) {
    const i64 count = std::min(sum_columns, operands.inter - start);
    x(row, start, count, gate);
    x(row, operands.inter + start, count, up);
    grad(row, start, count, incoming);
    u32 sum = 0;
    for (i64 i = 0; i < count; i++) {
      const u32 act = swiglu_bits(gate[i], up[i], operands.clamp);
      sum = canonical_bits(fma_rn(bits_float(incoming[i]), bits_float(act), bits_float(sum)));
    }
    total = add_rn(total, bits_float(sum));
  }
  return canonical_bits(total);
}

}  // namespace

SwigluOperands swiglu_operands(const SwigluFields& spec, const Tensors& inputs) {
  SwigluOperands operands{spec.rows, spec.inter, &require_tensor(inputs, "x"), nullptr, nullptr, nullptr, spec.clamp};
  require_shape("x", *operands.x, {spec.rows, 2 * spec.inter});
  if (spec.weights || inputs.count("weights") != 0) operands.weights = require_f32("weights", inputs, {spec.rows});
  if (spec.row_to_slot || inputs.count("row_to_slot") != 0) {
    operands.row_to_slot = require_indices("row_to_slot", inputs, {spec.rows}, i64{1} << 31);
  }
  return operands;
}

RowSource swiglu_act(const SwigluOperands& operands) {
  return [operands, x = widened(*operands.x)](i64 row, i64 column, i64 count, u32* bits) {
    if (operands.is_padding(row)) {
      std::fill_n(bits, count, 0);
      return;
    }
    u32* up = scratch(0, count).data();
    x(row, column, count, bits);
    x(row, operands.inter + column, count, up);
    for (i64 i = 0; i < count; i++) {
      const u32 act = swiglu_bits(bits[i], up[i], operands.clamp);
      bits[i] = operands.weights == nullptr ? act : mul_bits(act, operands.weights[row]);
    }
  };
}

RowSource swiglu_gradient(const SwigluOperands& operands) {
  const auto part = [operands, x = widened(*operands.x), grad = widened(*operands.grad)](i64 row, i64 at, i64 count, bool of_gate, u32* bits) {
    u32 *gate = scratch(0, count).data(), *up = scratch(1, count).data(), *incoming = scratch(2, count).data();
    x(row, at, count, gate);
    x(row, operands.inter + at, count, up);
    grad(row, at, count, incoming);
    for (i64 i = 0; i < count; i++) {
      const u32 weighted = operands.weights == nullptr ? incoming[i] : mul_bits(incoming[i], operands.weights[row]);
      const SwigluGradients gradients = swiglu_gradients(gate[i], up[i], weighted, operands.clamp);
      bits[i] = of_gate ? gradients.gate : gradients.up;
    }
  };
  return [operands, part](i64 row, i64 column, i64 count, u32* bits) {
    if (operands.is_padding(row)) {
      std::fill_n(bits, count, 0);
      return;
    }
    const i64 of_gate = std::clamp<i64>(operands.inter - column, 0, count);
    if (of_gate > 0) part(row, column, of_gate, true, bits);
    if (of_gate < count) part(row, column + of_gate - operands.inter, count - of_gate, false, bits + of_gate);
  };
}

Tensors compute(const SwigluQuantizeSpec& spec, const Tensors& inputs, int threads) {
  return finish(swiglu_act(swiglu_operands(spec, inputs)), spec, "act", spec.inter, threads);
}

Tensors compute(const SwigluBackwardSpec& spec, const Tensors& inputs, int threads) {
  SwigluOperands operands = swiglu_operands(spec, inputs);
  operands.grad = &require_tensor(inputs, "grad");
  require_shape("grad", *operands.grad, {spec.rows, spec.inter});
  Tensors tensors = finish(swiglu_gradient(operands), spec, "dx", 2 * spec.inter, threads);
  if (operands.weights == nullptr) return tensors;
  const RowSource x = widened(*operands.x), grad = widened(*operands.grad);
  Tensor dweights = allocate_result(DType::F32, {spec.rows});
  parallel_for(threads, spec.rows, [&](i64 row) {
    dweights.lanes.as<u32>()[row] = operands.is_padding(row) ? 0 : weight_gradient(operands, x, grad, row);
  });
  tensors.emplace("dweights", std::move(dweights));
  return tensors;
}

i64 bytes_made(const SwigluQuantizeSpec& spec) {
  return spec.rows * spec.inter * lane_bytes(dtype_of(spec.scheme ? spec.scheme->format : spec.output));
}

i64 bytes_made(const SwigluBackwardSpec& spec) {
  return 2 * spec.rows * spec.inter * lane_bytes(dtype_of(spec.scheme ? spec.scheme->format : spec.output));
}

}  // namespace fp8lab::host
