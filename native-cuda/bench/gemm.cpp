// Times of the gemms: dense beside cuBLASLt, and the grouped forms.

#include <optional>

#include "bench.h"
#include "cublaslt.h"
#include "data.h"

namespace fp8lab::bench {

namespace {

using cuda::GemmLaunch;
using cuda::Grouping;

constexpr double flops_per_clock = 8192;

void print(const std::string& implementation, const GemmLaunch& launch, double rows, const char* grouping, const Measured& measured, double bytes, double copy) {
  const double flops = 2 * rows * launch.problem.n * static_cast<double>(launch.problem.k);
  const double rate = flops / measured.sustained.median * 1e6;
  const double peak = measured.readings.sm_clock_mhz * 1e6 * flops_per_clock * multiprocessors();
  Line line;
  line.text("kernel", "gemm").text("implementation", implementation).text("grouping", grouping).number("groups", launch.problem.groups);
  line.number("m", rows).number("n", launch.problem.n).number("k", launch.problem.k).times(measured).number("sustainedFlops", rate);
  line.number("coldFlops", flops / measured.cold.median * 1e6).number("coldBytesPerSecond", bytes / measured.cold.median * 1e6);
  line.number("shareOfCopy", bytes / measured.cold.median * 1e6 / copy);
  if (peak > 0) line.number("shareOfPeakAtClock", rate / peak);
  line.print();
}

/** cuBLASLt's layout of B's scales, [n / 128][steps padded to 4], from ours, [steps][n / 128 padded to 4]. */
Buffer transposed_scales(const Operand& b, i64 blocks, i64 steps) {
  const i64 padded = (steps + 3) / 4 * 4;
  Buffer scales(blocks * padded * 4, "peer scales");
  for (i64 block = 0; block < blocks; block++) {
    cuda::check(cudaMemcpy2D(scales.as<float>() + block * padded, 4, b.scales.as<float>() + block, static_cast<std::size_t>(b.scale_stride) * 4, 4,
                             static_cast<std::size_t>(steps), cudaMemcpyDeviceToDevice),
                "cudaMemcpy2D", "peer scales");
  }
  return scales;
}

void dense(int m, int n, int k, const Options& options, double copy, bool every_tile) {
  const Operand a = random_operand(1, m, k, 1, 1), b = random_operand(1, n, k, 128, 2);
  const Buffer d(static_cast<i64>(m) * n * 2, "d");
  GemmLaunch launch;
  launch.problem.m = m;
  launch.problem.n = n;
  launch.problem.k = k;
  launch.a = a.view(k);
  launch.b = b.view(k);
  launch.d = d.as();
  launch.d_stride = n;
  const double bytes = static_cast<double>(m) * k + static_cast<double>(n) * k + 2.0 * m * n;
  const auto time = [&](const std::string& name) { print(name, launch, m, "dense", measure([&] { launch_gemm(launch, nullptr); }, options), bytes, copy); };
  time("fp8lab (" + tile_text(plan_launch(launch, multiprocessors()).tile) + ")");
  for (const cuda::TileShape& tile : cuda::gemm_tiles()) {
    if (!every_tile || tile.output_bytes != 2 || tile.scales_b != cuda::ScalesB::block) continue;
    launch.tile = &tile;
    time("fp8lab (forced " + tile_text(tile) + ")");
  }
  launch.tile = nullptr;
  std::string reason;
  const Buffer peer_scales = transposed_scales(b, (n + 127) / 128, (k + 127) / 128);
  const auto peer = m % 4 == 0 ? CublasLt::make(m, n, k, a, b.codes.as<u8>(), peer_scales.as<float>(), d.as(), reason) : nullptr;
  if (peer) {
    print("cublaslt", launch, m, "dense", measure([&] { peer->launch(); }, options), bytes, copy);
  } else {
    Line().text("kernel", "gemm").text("implementation", "cublaslt").number("m", m).number("n", n).number("k", k).text("skipped", reason).print();
  }
}

Buffer upload(const std::vector<int>& values) {
  Buffer buffer(static_cast<i64>(values.size()) * 4, "layout");
  cuda::check(cudaMemcpy(buffer.as(), values.data(), values.size() * 4, cudaMemcpyHostToDevice), "cudaMemcpy", "layout");
  return buffer;
}

void contiguous(int groups, int rows, int n, int k, const Options& options, double copy) {
  std::vector<int> layout;
  for (int i = 0; i < groups * rows; i++) layout.push_back(i / rows);
  const Buffer on_device = upload(layout);
  const Operand a = random_operand(1, static_cast<i64>(groups) * rows, k, 1, 1), b = random_operand(groups, n, k, 128, 2);
  const Buffer d(static_cast<i64>(groups) * rows * n * 2, "d");
  GemmLaunch launch;
  launch.problem.grouping = Grouping::contiguous;
  launch.problem.groups = groups;
  launch.problem.m = groups * rows;
  launch.problem.n = n;
  launch.problem.k = k;
  launch.problem.layout = on_device.as<int>();
  launch.a = a.view(k);
  launch.b = b.view(k);
  launch.d = d.as();
  launch.d_stride = n;
  const double bytes = static_cast<double>(groups) * (static_cast<double>(rows) * k + static_cast<double>(n) * k + 2.0 * rows * n);
  print("fp8lab", launch, static_cast<double>(groups) * rows, "contiguous", measure([&] { launch_gemm(launch, nullptr); }, options), bytes, copy);
}

void masked(int groups, int rows, int most_rows, int n, int k, const Options& options, double copy) {
  const Buffer on_device = upload(std::vector<int>(static_cast<std::size_t>(groups), rows));
  const Operand a = random_operand(groups, most_rows, k, 1, 1), b = random_operand(groups, n, k, 128, 2);
  const Buffer d(static_cast<i64>(groups) * most_rows * n * 2, "d");
  GemmLaunch launch;
  launch.problem.grouping = Grouping::masked;
  launch.problem.groups = groups;
  launch.problem.m = most_rows;
  launch.problem.n = n;
  launch.problem.k = k;
  launch.problem.layout = on_device.as<int>();
  launch.expected_rows = rows;
  launch.a = a.view(k);
  launch.b = b.view(k);
  launch.d = d.as();
  launch.d_stride = n;
  const double bytes = static_cast<double>(groups) * (static_cast<double>(rows) * k + static_cast<double>(n) * k + 2.0 * rows * n);
  print("fp8lab", launch, static_cast<double>(groups) * rows, "masked", measure([&] { launch_gemm(launch, nullptr); }, options), bytes, copy);
}

}  // namespace

void bench_gemm(const Options& options, double copy, bool every_tile) {
  const int shapes[][3] = {{4096, 7168, 16384}, {4096, 4096, 7168}, {4096, 2112, 7168}, {4096, 24576, 1536}, {4096, 7168, 2048}, {4096, 32768, 512},
                           {64, 7168, 16384},   {128, 7168, 16384}, {64, 2112, 7168},   {64, 24576, 1536},   {128, 4096, 7168},  {128, 7168, 2048}};
  for (const auto& [m, n, k] : shapes) dense(m, n, k, options, copy, every_tile);
  contiguous(4, 8192, 4096, 7168, options, copy);
  contiguous(4, 8192, 7168, 2048, options, copy);
  contiguous(8, 4096, 4096, 7168, options, copy);
  contiguous(8, 4096, 7168, 2048, options, copy);
  masked(6, 1024, 1024, 4096, 7168, options, copy);
  masked(6, 1024, 1024, 7168, 2048, options, copy);
  masked(32, 192, 256, 4096, 7168, options, copy);
  masked(32, 20, 128, 4096, 7168, options, copy);
}

}  // namespace fp8lab::bench
