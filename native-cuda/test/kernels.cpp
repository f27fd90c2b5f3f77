// The host kernels: threads and panels do not show in the results; what is given wrong is refused.

#include <cstring>

#include "../kernels/device.h"
#include "../kernels/host/gemm_plan.h"
#include "../kernels/inputs.h"
#include "../kernels/tiles.h"
#include "check.h"
#include "models.h"

namespace fp8lab::test {

namespace {

Scheme scheme(FormatId format, i64 rows, i64 columns, Recipe recipe = Recipe::divide, Rounding rounding = Rounding::nearest_even) {
  return {format, rows, columns, FormatId::f32, recipe, 0x38d1b717u, ScaleLayout::row_major, rounding, Overflow::saturate, 5};
}

Input generated(Generator generator, u32 seed, FormatId dtype = FormatId::bf16) {
  return GeneratedInput{generator, seed, dtype, 0, 0.1, 6};
}

OperandSpec operand(const Scheme& scheme, Generator generator, u32 seed) { return {scheme, generated(generator, seed), {}, {}}; }

GemmSpec gemm_spec(i64 m, i64 n, i64 k, const Model& model, FormatId format, Generator generator) {
  GemmSpec spec{
      m, n, k, operand(scheme(format, 1, 128), generator, 1), operand(scheme(format, 128, 128), generator, 2), {}, {}, FormatId::f32};
  spec.arithmetic = {model, 128, Combine::scales_first, Promote::fused};
  return spec;
}

Tensors run(const Spec& spec, int threads) { return make_host_device(threads)->run(spec, {}).tensors; }

void check_same(const Tensors& a, const Tensors& b, const std::string& what) {
  check_equal(a.size(), b.size(), "tensors");
  for (const auto& [name, tensor] : a) {
    const Tensor& other = b.at(name);
    check(tensor.shape == other.shape &&
              std::memcmp(tensor.lanes.data(), other.lanes.data(), static_cast<std::size_t>(tensor.lanes.bytes())) == 0,
          what + ": " + name + " differs");
    check(tensor.lanes.guarded() && other.lanes.guarded(), what + ": written behind the end of " + name);
  }
}

FP8LAB_TEST("kernels", "results do not depend on the number of threads") {
  const Spec specs[] = {
      {"rows", false, QuantizeSpec{70, 333, generated(Generator::normal, 1), scheme(FormatId::e4m3, 1, 128)}},
      {"columns", false, QuantizeSpec{333, 70, generated(Generator::outlier_channels, 1), scheme(FormatId::e5m2, 128, 1, Recipe::pow2)}},
      {"tensor", false, QuantizeSpec{99, 2100, generated(Generator::normal, 1), scheme(FormatId::e4m3, 0, 0, Recipe::te)}},
      {"stochastic", false,
       QuantizeSpec{99, 2100, generated(Generator::normal, 1), scheme(FormatId::e4m3, 1, 0, Recipe::divide, Rounding::stochastic)}},
      {"back", false, DequantizeSpec{99, 2100, operand(scheme(FormatId::e5m6, 3, 50), Generator::normal, 3), FormatId::f16}},
      {"again", false,
       RequantizeSpec{99, 2100, operand(scheme(FormatId::e4m3, 1, 128), Generator::normal, 3),
                      scheme(FormatId::e4m3, 128, 1, Recipe::pow2)}},
      {"product", false, gemm_spec(150, 70, 400, hopper, FormatId::e4m3, Generator::normal)},
      {"one row", false, gemm_spec(1, 300, 1000, hopper, FormatId::e4m3, Generator::normal)},
      {"specials", false, gemm_spec(20, 40, 300, hopper, FormatId::e5m2, Generator::bits)},
  };
  for (const Spec& spec : specs) {
    const Tensors one = run(spec, 1);
    for (const int threads : {2, 3, 7}) check_same(one, run(spec, threads), spec.name);
  }
}

/** D of a gemm by numerics/ alone, one element at a time. */
u32 element(const GemmSpec& spec, const host::Side& a, const host::Side& b, i64 row, i64 column) {
  float sum = 0;
  for (i64 start = 0; start < spec.k; start += spec.arithmetic.promote_every) {
    const i64 count = least(spec.arithmetic.promote_every, spec.k - start);
    const u32 partial = block_sum(spec.arithmetic.model, a.format, b.format, count, a.tensor.lanes.as<u8>() + row * spec.k + start,
                                  b.tensor.lanes.as<u8>() + column * spec.k + start);
    sum =
        promote(spec.arithmetic.combine, spec.arithmetic.promote, sum, bits_float(partial), a.factor(row, start), b.factor(column, start));
  }
  return canonical_bits(sum);
}

FP8LAB_TEST("kernels", "a product is the model's, whatever loop sums it") {
  const Model models[] = {hopper,
                          {ModelKind::aligned, 25, 32, StepOutput::f32_rz, TermOrder::linear},
                          {ModelKind::aligned, 30, 7, StepOutput::f32_rne, TermOrder::p4},
                          {ModelKind::aligned, 13, 16, StepOutput::f16_rne, TermOrder::linear},
                          {ModelKind::exact, 0, 0, StepOutput::f32_rne, TermOrder::linear},
                          {ModelKind::sequential, 0, 0, StepOutput::f32_rne, TermOrder::linear}};
  for (const Model& model : models) {
    for (const FormatId format : {FormatId::e4m3, FormatId::e5m2}) {
      for (const Generator generator : {Generator::normal, Generator::bits, Generator::zero}) {
        const GemmSpec spec = gemm_spec(9, 21, 300, model, format, generator);
        Tensors made;
        const Tensors& inputs = materialize_inputs({"", false, spec}, {}, made);
        const host::Quantized a = host::quantized_operand("a", spec.a, inputs, spec.m, spec.k, 1);
        const host::Quantized b = host::quantized_operand("b", spec.b, inputs, spec.n, spec.k, 1);
        const host::Side side_a = host::product_side(a, spec.a.scheme, 1), side_b = host::product_side(b, spec.b.scheme, 1);
        const Tensor d = host::gemm(spec, a, b, nullptr, 2);
        for (i64 row = 0; row < spec.m; row++) {
          for (i64 column = 0; column < spec.n; column++) {
            const u32 actual = d.lanes.get(row * spec.n + column), expected = element(spec, side_a, side_b, row, column);
            if (actual != expected) check_equal(actual, expected, "element " + std::to_string(row) + ", " + std::to_string(column));
          }
        }
      }
    }
  }
}

FP8LAB_TEST("kernels", "a missing promotion or another combination shows in the result") {
  const GemmSpec spec = gemm_spec(16, 16, 1024, hopper, FormatId::e4m3, Generator::positive);
  GemmSpec unpromoted = spec, other = spec;
  unpromoted.arithmetic.promote_every = 0;
  other.arithmetic.combine = Combine::a_then_b;
  const auto bytes = [](const GemmSpec& gemm) {
    const Tensors tensors = run({"", false, gemm}, 0);
    const Lanes& lanes = tensors.at("d").lanes;
    return std::string(reinterpret_cast<const char*>(lanes.data()), static_cast<std::size_t>(lanes.bytes()));
  };
  check(bytes(spec) == bytes(spec), "the same spec gives other bytes");
  check(bytes(spec) != bytes(unpromoted), "a missing promotion went unnoticed");
  check(bytes(spec) != bytes(other), "another combination went unnoticed");
}

FP8LAB_TEST("kernels", "packed and mn-major scales come back as they were laid out") {
  for (const ScaleLayout layout : {ScaleLayout::row_major, ScaleLayout::mn_major, ScaleLayout::packed_e8m0}) {
    for (const auto& [rows, columns] : {std::pair<i64, i64>{1, 1}, {5, 9}, {8, 4}}) {
      Scheme it = scheme(FormatId::e4m3, 1, 1, Recipe::pow2);
      it.layout = layout;
      it.scale_type = layout == ScaleLayout::packed_e8m0 ? FormatId::e8m0 : FormatId::f32;
      const TileGrid grid = tile_grid(rows, columns, it);
      std::vector<u32> scales(static_cast<std::size_t>(rows * columns));
      for (std::size_t i = 0; i < scales.size(); i++) scales[i] = static_cast<u32>(i + 1);
      const Tensor stored = store_scales(scales.data(), grid, it);
      check(load_scales(stored, grid, it) == scales, "scales differ");
      check(stored.shape == scale_shape(grid, it), "shape");
      i64 sum = 0;
      for (i64 i = 0; i < stored.lanes.count(); i++) {
        for (u32 word = stored.lanes.get(i); word != 0; word >>= 8) sum += word & 0xff;
      }
      check_equal(sum, static_cast<i64>(scales.size() * (scales.size() + 1) / 2), "padding is not zero");
    }
  }
}

FP8LAB_TEST("kernels", "a byte written behind a tensor's end is noticed, and results start out poisoned") {
  for (const i64 offset : {0, 1, 63}) {
    Tensor tensor = allocate_result(DType::F8_E4M3, {5, 13});
    check(tensor.lanes.guarded(), "guards are not whole to begin with");
    const u32 poison = tensor.lanes.get(0);
    check(poison != 0 && poison == tensor.lanes.get(64), "not poisoned");
    tensor.lanes.data()[tensor.lanes.bytes() + offset] ^= 1;
    check(!tensor.lanes.guarded(), "a changed guard went unnoticed");
  }
}

FP8LAB_TEST("kernels", "inputs of the wrong name, shape or dtype are refused") {
  const Spec spec{"s", false, QuantizeSpec{4, 8, generated(Generator::normal, 1), scheme(FormatId::e4m3, 1, 4)}};
  const auto code = [&](const char* name, DType dtype, std::vector<i64> shape) {
    Tensors given;
    given.emplace(name, allocate(dtype, std::move(shape)));
    return error_code([&] { make_host_device(1)->run(spec, given); });
  };
  check_equal(code("y", DType::BF16, {4, 8}), std::string("missing-tensor"), "name");
  check_equal(code("x", DType::BF16, {8, 4}), std::string("wrong-shape"), "shape");
  check_equal(code("x", DType::BF16, {32}), std::string("wrong-shape"), "rank");
  check_equal(code("x", DType::I32, {4, 8}), std::string("wrong-dtype"), "dtype");
  check_equal(code("x", DType::F32, {4, 8}), std::string("no error"), "the right one");
}

FP8LAB_TEST("kernels", "a spec that memory cannot hold is refused before it is begun") {
  const Spec spec{"huge", false, QuantizeSpec{i64{1} << 24, i64{1} << 20, generated(Generator::zero, 1), scheme(FormatId::e4m3, 1, 128)}};
  check_equal(error_code([&] { make_host_device(1)->run(spec, {}); }), std::string("out-of-memory"), "error");
}

FP8LAB_TEST("kernels", "experts of a token are distinct, and do not depend on the number of threads") {
  const IntegerInput input{IntegerGenerator::routing, 7, 40, 24, 2, 0.1, 0.05, 0, 0};
  const Tensor rows = generate_integers(input, {3000, 8}, 1);
  const Tensor threaded = generate_integers(input, {3000, 8}, 3);
  check(std::memcmp(rows.lanes.data(), threaded.lanes.data(), static_cast<std::size_t>(rows.lanes.bytes())) == 0, "threads show");
  for (i64 token = 0; token < 3000; token++) {
    u32 seen = 0;
    for (i64 slot = 0; slot < 8; slot++) {
      const u32 expert = rows.lanes.get(token * 8 + slot);
      if (expert == nowhere) continue;
      check(expert < 24 && (seen >> expert & 1) == 0, "expert " + std::to_string(expert) + " of token " + std::to_string(token));
      seen |= 1u << expert;
    }
  }
}

FP8LAB_TEST("kernels", "rows made alone are those of the whole, wherever they begin") {
  for (const Generator generator : {Generator::normal, Generator::near_ties, Generator::outlier_channels, Generator::outlier_tokens, Generator::bits, Generator::zero}) {
    const GeneratedInput input{generator, 77, FormatId::bf16, -3, 0.2, 5};
    const Tensor whole = generate_tensor(input, {9, 7, 13}, 2);
    for (i64 first = 0; first < 9; first++) {
      const Tensor rows = generate_rows(input, {9, 7, 13}, first, 9 - first, 2);
      check(rows.shape == std::vector<i64>{9 - first, 7, 13}, "shape");
      const u8* place = whole.lanes.data() + first * 7 * 13 * 2;
      check(std::memcmp(rows.lanes.data(), place, static_cast<std::size_t>(rows.lanes.bytes())) == 0, "rows from " + std::to_string(first));
    }
  }
}

FP8LAB_TEST("kernels", "a value drawn alone is the one drawn among many") {
  for (const Generator generator :
       {Generator::uniform, Generator::positive, Generator::normal, Generator::outlier_channels, Generator::outlier_tokens, Generator::near_ties, Generator::bits,
        Generator::zero, Generator::saturating, Generator::subnormal}) {
    for (const FormatId dtype : {FormatId::bf16, FormatId::f16, FormatId::f32}) {
      for (const i32 exponent : {0, -140, 126}) {
        const GeneratedInput input{generator, 77, dtype, exponent, 0.2, 5};
        const Tensor tensor = generate_tensor(input, {70, 123}, 3);
        for (i64 i = 0; i < tensor.lanes.count(); i++) {
          const u32 expected = generated_code(input, static_cast<u64>(i), 123);
          if (tensor.lanes.get(i) != expected)
            check_equal(tensor.lanes.get(i), expected,
                        "generator " + std::to_string(static_cast<int>(generator)) + " element " + std::to_string(i));
        }
      }
    }
  }
}

}  // namespace

}  // namespace fp8lab::test
