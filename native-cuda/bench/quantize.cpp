// Times of the quantization kernels, as a share of the copy bandwidth.

#include "bench.h"
#include "data.h"

namespace fp8lab::bench {

namespace {

void print(const char* kernel, i64 rows, i64 columns, double bytes, double copy, const Measured& measured) {
  const double rate = bytes / measured.cold.median * 1e6;
  Line().text("kernel", kernel).number("rows", static_cast<double>(rows)).number("columns", static_cast<double>(columns)).number("bytes", bytes).times(measured)
      .number("coldBytesPerSecond", rate).number("shareOfCopy", rate / copy).print();
}

}  // namespace

void bench_quantize(const Options& options, double copy) {
  const i64 shapes[][2] = {{4096, 7168}, {32768, 7168}, {65536, 4096}, {8192, 18432}};
  for (const auto& [rows, columns] : shapes) {
    const double count = static_cast<double>(rows * columns);
    const Buffer values = random_values(rows * columns, 3);
    const Buffer codes(rows * columns, "codes"), transposed(rows * columns, "transposed codes");
    const Buffer scales(rows * columns / 32, "scales"), scales_t(rows * columns / 32, "transposed scales");
    const cuda::MatrixView x{values.as(), 2, FormatId::bf16, rows, columns, nullptr, 1, 1};
    for (const i64 tile : {i64{1}, i64{128}}) {
      const cuda::QuantizeTarget target{codes.as(), 1, scales.as<u32>(), 1, (rows / tile + 3) / 4 * 4};
      const Scheme scheme = deepseek_scheme(tile);
      const Measured measured = measure([&] { launch_quantize_fast(x, scheme, target, nullptr, "bench"); }, options);
      print(tile == 1 ? "quantize 1x128" : "quantize 128x128", rows, columns, count * (3 + 4.0 / static_cast<double>(128 * tile)), copy, measured);
    }
    const cuda::QuantizeTarget rowwise{codes.as(), 1, scales.as<u32>(), 1, rows}, columnwise{transposed.as(), 1, scales_t.as<u32>(), columns, 1};
    const Scheme scheme = deepseek_scheme(1);
    const Measured measured = measure([&] { launch_cast_transpose(x, scheme, rowwise, columnwise, nullptr, "bench"); }, options);
    print("cast-transpose", rows, columns, count * (4 + 8.0 / 128), copy, measured);
  }
}

}  // namespace fp8lab::bench
