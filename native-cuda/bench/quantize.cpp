// Times of the quantization kernels, as a share of the copy bandwidth.

#include "../kernels/cuda/swiglu.h"
#include "bench.h"
#include "data.h"

namespace fp8lab::bench {

namespace {

void print(const char* kernel, i64 rows, i64 columns, double bytes, double copy, const Measured& measured) {
  const double rate = bytes / measured.cold.median * 1e6;
  Line().text("kernel", kernel).number("rows", static_cast<double>(rows)).number("columns", static_cast<double>(columns)).number("bytes", bytes).times(measured)
      .number("coldBytesPerSecond", rate).number("shareOfCopy", rate / copy).print();
}

Scheme scheme_of(i64 tile_rows, i64 tile_columns) {
  Scheme scheme = deepseek_scheme(tile_rows);
  scheme.tile_columns = tile_columns;
  return scheme;
}

}  // namespace

void bench_quantize(const Options& options, double copy) {
  const i64 shapes[][2] = {{4096, 7168}, {32768, 7168}, {65536, 4096}, {8192, 18432}};
  const Scheme by_row = scheme_of(1, 128), by_block = scheme_of(128, 128), by_column = scheme_of(128, 1);
  for (const auto& [rows, columns] : shapes) {
    const double count = static_cast<double>(rows * columns);
    const Buffer values = random_values(rows * columns, 3);
    const Buffer codes(rows * columns, "codes"), transposed(rows * columns, "transposed codes");
    const Buffer scales(rows * columns / 32, "scales"), scales_t(rows * columns / 32, "transposed scales");
    const cuda::MatrixView x{values.as(), 2, FormatId::bf16, rows, columns, nullptr, 1, 1};
    const cuda::QuantizeTarget rowwise{codes.as(), 1, scales.as<u32>(), 1, rows}, columnwise{transposed.as(), 1, scales_t.as<u32>(), columns, 1};
    const auto time = [&](const char* kernel, double bytes, const Work& work) { print(kernel, rows, columns, bytes, copy, measure(work, options)); };
    time("quantize 128x128", count * 3, [&] { launch_quantize_fast(x, by_block, {codes.as(), 1, scales.as<u32>(), 1, rows / 128}, nullptr, "bench"); });
    time("quantize 128x1", count * (3 + 4.0 / 128), [&] { launch_quantize_fast(x, by_column, columnwise, nullptr, "bench"); });
    time("cast-transpose", count * (4 + 8.0 / 128), [&] { launch_cast_transpose(x, by_row, rowwise, columnwise, nullptr, "bench"); });
    time("quantize 1x128", count * (3 + 4.0 / 128), [&] { launch_quantize_fast(x, by_row, rowwise, nullptr, "bench"); });
    // From the codes that the last one left, with its scales as factors in whatever order.
    const cuda::MatrixView quantized{codes.as(), 1, FormatId::e4m3, rows, columns, scales.as<u32>(), 1, 128};
    time("requantize 1x128 to 128x1", count * (2 + 8.0 / 128), [&] { launch_quantize_fast(quantized, by_column, columnwise, nullptr, "bench"); });
    // The same values as gate and up of half as many columns.
    const cuda::SwigluLaunch forward{x, {}, nullptr, nullptr, inf_bits};
    time("swiglu-quantize 1x128", count * (2.5 + 2.0 / 128), [&] { launch_swiglu_fast(forward, by_row, rowwise, nullptr, "bench"); });
    const cuda::SwigluLaunch backward{x, {values.as(), 2, FormatId::bf16, rows, columns / 2, nullptr, 1, 1}, nullptr, nullptr, inf_bits};
    time("swiglu-backward 1x128", count * (4 + 4.0 / 128), [&] { launch_swiglu_backward_fast(backward, by_row, rowwise, nullptr, "bench"); });
  }
}

}  // namespace fp8lab::bench
