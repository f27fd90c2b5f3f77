// Fast quantizers against the general ones, bit for bit, on the device: every source, every tile, ragged shapes, both layouts of a cast-transpose.

#include "../kernels/cuda/swiglu.h"
#include "bench.h"
#include "compare.h"

namespace fp8lab::bench {

namespace {

using cuda::MatrixView;
using cuda::QuantizeTarget;
using cuda::SwigluLaunch;

/** Codes and scales of a matrix on the device. */
struct Output {
  i64 rows, columns, grid_rows, grid_columns;
  Buffer codes, scales;

  Output(i64 rows, i64 columns, const Scheme& scheme)
      : rows(rows), columns(columns), grid_rows((rows + scheme.tile_rows - 1) / scheme.tile_rows), grid_columns((columns + scheme.tile_columns - 1) / scheme.tile_columns),
        codes(rows * columns, "codes"), scales(grid_rows * grid_columns * 4, "scales") {}
  QuantizeTarget target() const { return {codes.as(), 1, scales.as<u32>(), grid_columns, 1}; }
};

bool hold(const std::string& name, const Output& fast, const Output& general) {
  Difference difference;
  compare(difference, bytes_of(fast.codes, name).data(), bytes_of(general.codes, name).data(), fast.rows * fast.columns, 1, 0);
  compare(difference, bytes_of(fast.scales, name).data(), bytes_of(general.scales, name).data(), fast.grid_rows * fast.grid_columns, 4, 0);
  return report(name, fast.rows * fast.columns, difference);
}

MatrixView narrow(const Buffer& values, i64 rows, i64 columns) { return {values.as(), 2, FormatId::bf16, rows, columns, nullptr, 1, 1}; }

/** A matrix by both; the fast one must take it. */
bool check_matrix(const std::string& name, const MatrixView& x, const Scheme& scheme) {
  const Output fast(x.rows, x.columns, scheme), general(x.rows, x.columns, scheme);
  if (!launch_quantize_fast(x, scheme, fast.target(), nullptr, name)) return report(name, 0, {});
  launch_quantize_general(x, scheme, general.target(), nullptr, nullptr, name);
  return hold(name, fast, general);
}

/** One pass of SwiGLU in one kernel, against its f32 values quantized by the general kernel. */
bool check_swiglu(const std::string& name, const SwigluLaunch& swiglu, const Scheme& scheme) {
  const bool backward = swiglu.grad.lanes != nullptr;
  const i64 rows = swiglu.x.rows, columns = backward ? swiglu.x.columns : swiglu.x.columns / 2;
  const Output fast(rows, columns, scheme), general(rows, columns, scheme);
  const bool taken = backward ? launch_swiglu_backward_fast(swiglu, scheme, fast.target(), nullptr, name) : launch_swiglu_fast(swiglu, scheme, fast.target(), nullptr, name);
  if (!taken) return report(name, 0, {});
  const Buffer wide(rows * columns * 4, name);
  if (backward) {
    launch_swiglu_backward(swiglu, wide.as<u32>(), nullptr, name);
  } else {
    launch_swiglu(swiglu, wide.as<u32>(), nullptr, name);
  }
  launch_quantize_general({wide.as(), 4, FormatId::f32, rows, columns, nullptr, 1, 1}, scheme, general.target(), nullptr, nullptr, name);
  return hold(name, fast, general);
}

bool check_cast_transpose() {
  const i64 rows = 256, columns = 384;
  const Buffer values = random_values(rows * columns, 31);
  const MatrixView x = narrow(values, rows, columns);
  const Scheme by_row = deepseek_scheme(1);
  Scheme by_column = by_row;
  by_column.tile_rows = 128;
  by_column.tile_columns = 1;
  const Output rowwise(rows, columns, by_row), transposed(rows, columns, by_column), rowwise_g(rows, columns, by_row), columnwise_g(rows, columns, by_column);
  launch_cast_transpose(x, by_row, rowwise.target(), transposed.target(), nullptr, "cast-transpose");
  launch_quantize_general(x, by_row, rowwise_g.target(), nullptr, nullptr, "general");
  launch_quantize_general(x, by_column, columnwise_g.target(), nullptr, nullptr, "general");
  Difference difference;
  compare(difference, bytes_of(transposed.scales, "scales").data(), bytes_of(columnwise_g.scales, "scales").data(), rows * columns / 128, 4, 0);
  const std::vector<u8> actual = bytes_of(transposed.codes, "codes"), wanted = bytes_of(columnwise_g.codes, "codes");
  for (i64 row = 0; row < rows; row++) {
    for (i64 column = 0; column < columns; column++) {
      compare(difference, &actual[static_cast<std::size_t>(column * rows + row)], &wanted[static_cast<std::size_t>(row * columns + column)], 1, 1, row * columns + column);
    }
  }
  const bool agree = hold("cast-transpose, rowwise", rowwise, rowwise_g);
  return report("cast-transpose, transposed", rows * columns, difference) && agree;
}

/** A format's codes by 1x128, with factors. */
bool check_requantize(const std::string& name, FormatId from, const Scheme& scheme) {
  const i64 rows = 300, columns = 400, steps = (columns + 127) / 128;
  const Buffer codes = random_words(rows * columns / 4, 43), values = random_values(rows * steps, 44), factors(rows * steps * 4, name);
  launch_dequantize(narrow(values, rows, steps), factors.as(), FormatId::f32, nullptr, name);
  return check_matrix(name, {codes.as(), 1, from, rows, columns, factors.as<u32>(), 1, 128}, scheme);
}

}  // namespace

bool check_quantizers() {
  bool agree = check_cast_transpose();
  const i64 rows = 300, columns = 400, inter = 128;
  const Buffer words = random_words(rows * columns, 41), values = random_values(2 * rows * columns, 42), weights = random_words(rows, 45);
  struct Case {
    FormatId format;
    Recipe recipe;
    const char* name;
  };
  const Case cases[] = {{FormatId::e4m3, Recipe::divide, "e4m3, divide"}, {FormatId::e4m3, Recipe::pow2, "e4m3, pow2"}, {FormatId::e4m3, Recipe::te, "e4m3, te"},
                        {FormatId::e5m2, Recipe::inverse, "e5m2, inverse"}, {FormatId::e5m2, Recipe::mx_floor, "e5m2, mx-floor"}};
  const i64 tiles[][2] = {{1, 128}, {128, 128}, {128, 1}};
  for (const auto& [tile_rows, tile_columns] : tiles) {
    for (const Case& test : cases) {
      Scheme scheme = deepseek_scheme(tile_rows, test.format);
      scheme.tile_columns = tile_columns;
      scheme.recipe = test.recipe;
      const std::string to = std::to_string(tile_rows) + "x" + std::to_string(tile_columns) + ", " + test.name;
      agree = check_matrix("quantize any bits to " + to, narrow(words, rows, columns), scheme) && agree;
      agree = check_matrix("quantize to " + to, narrow(values, rows, columns), scheme) && agree;
      agree = check_requantize("requantize e4m3 to " + to, FormatId::e4m3, scheme) && agree;
      agree = check_requantize("requantize e5m2 to " + to, FormatId::e5m2, scheme) && agree;
      if (tile_rows == 128 && tile_columns == 128) continue;
      const SwigluLaunch forward{narrow(values, rows, 2 * inter), {}, weights.as<u32>(), nullptr, inf_bits};
      agree = check_swiglu("swiglu-quantize to " + to, forward, scheme) && agree;
      if (tile_rows != 1) continue;
      const SwigluLaunch backward{narrow(values, rows, 2 * inter), narrow(words, rows, inter), weights.as<u32>(), nullptr, 0x40000000u};
      agree = check_swiglu("swiglu-backward to " + to, backward, scheme) && agree;
    }
  }
  return agree;
}

}  // namespace fp8lab::bench
