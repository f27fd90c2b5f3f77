// The wgmma gemm against the general one, bit for bit, on the device: every tile, ragged shapes, every grouping.

#include "bench.h"
#include "compare.h"
#include "data.h"

namespace fp8lab::bench {

namespace {

using cuda::GemmLaunch;
using cuda::Grouping;
using cuda::MatrixView;
using cuda::ScalesB;
using cuda::TileShape;

Buffer upload(const void* data, std::size_t bytes) {
  Buffer buffer(static_cast<i64>(bytes), "layout");
  cuda::check(cudaMemcpy(buffer.as(), data, bytes, cudaMemcpyHostToDevice), "cudaMemcpy", "layout");
  return buffer;
}

/** Scales [steps][stride] of one group, as row-major factors [rows, steps] for the general kernels. */
Buffer row_major(const float* scales, i64 stride, i64 rows, i64 steps) {
  Buffer factors(rows * steps * 4, "factors");
  for (i64 step = 0; step < steps; step++) {
    cuda::check(cudaMemcpy2D(factors.as<float>() + step, static_cast<std::size_t>(steps) * 4, scales + step * stride, 4, 4, static_cast<std::size_t>(rows),
                             cudaMemcpyDeviceToDevice),
                "cudaMemcpy2D", "factors");
  }
  return factors;
}

/** One product of the general kernel: rows [row, row + m) of A against B's group, k from `begin`; packed [m, n]. */
std::vector<u8> general(const GemmLaunch& launch, const u8* a, const float* scales_a, i64 m, const u8* b, const float* scales_b, i64 k, const float* c) {
  const i64 n = launch.problem.n, steps = (k + 127) / 128;
  const i64 tile_b = launch.scales_b == ScalesB::block ? 128 : 1;
  const Buffer factors_a = row_major(scales_a, launch.a.scale_stride, m, steps);
  const Buffer factors_b = row_major(scales_b, launch.b.scale_stride, (n + tile_b - 1) / tile_b, steps);
  const Buffer packed_a(m * k, "a"), packed_b(n * k, "b");
  const auto pack = [&](const Buffer& to, const u8* from, i64 stride, i64 rows) {
    cuda::check(cudaMemcpy2D(to.as(), static_cast<std::size_t>(k), from, static_cast<std::size_t>(stride), static_cast<std::size_t>(k), static_cast<std::size_t>(rows),
                             cudaMemcpyDeviceToDevice),
                "cudaMemcpy2D", "operand");
  };
  pack(packed_a, a, launch.a.stride, m);
  pack(packed_b, b, launch.b.stride, n);
  const Arithmetic arithmetic{{ModelKind::aligned, 13, 32, StepOutput::e8m13, TermOrder::linear}, 128, Combine::scales_first, Promote::fused};
  const Buffer d(m * n * (launch.output == FormatId::bf16 ? 2 : 4), "general");
  const MatrixView view_a{packed_a.as(), 1, launch.a.format, m, k, factors_a.as<u32>(), 1, 128};
  const MatrixView view_b{packed_b.as(), 1, launch.b.format, n, k, factors_b.as<u32>(), tile_b, 128};
  const MatrixView view_c{c, 4, FormatId::f32, m, n, nullptr, 1, 1};
  cuda::launch_gemm_general({view_a, view_b, view_c, arithmetic, launch.output, d.as()}, nullptr, "general gemm");
  return bytes_of(d, "general gemm");
}

/** A gemm of a grouping with ragged sizes on one tile, against the general kernel group by group. */
bool check_gemm(const TileShape& tile, Grouping grouping, int m, int n, int k, bool with_c, const std::string& name) {
  const int groups = grouping == Grouping::dense ? 1 : 3;
  const i64 stride = (k + 15) / 16 * 16, steps = (k + 127) / 128, tile_b = tile.scales_b == ScalesB::block ? 128 : 1;
  std::vector<int> layout;
  i64 rows = m;
  if (grouping == Grouping::contiguous || grouping == Grouping::offsets) rows = 3 * 256;
  if (grouping == Grouping::contiguous) {
    for (int i = 0; i < 3 * 256; i++) layout.push_back(i / 256 == 1 && i % 256 >= 128 ? -1 : 2 - i / 256);
  }
  if (grouping == Grouping::offsets) layout = {200, 256 + 256, 512 + 1};
  if (grouping == Grouping::masked) layout = {m, 0, m / 2 + 1};
  if (grouping == Grouping::k_grouped) layout = {128, 128, k};
  const bool groups_a = grouping == Grouping::masked, groups_b = grouping != Grouping::dense && grouping != Grouping::k_grouped;
  const bool groups_d = groups_a || grouping == Grouping::k_grouped;
  const Operand a = random_operand(groups_a ? groups : 1, rows, stride, 1, 21, tile.format_a), b = random_operand(groups_b ? groups : 1, n, stride, tile_b, 22, tile.format_b);
  const i64 width = tile.output_bytes, unit = 16 / width, d_stride = (n + unit - 1) / unit * unit, count_d = groups_d ? groups : 1;
  const Buffer d(count_d * rows * d_stride * width, name), on_device = upload(layout.data(), layout.size() * 4);
  const Buffer values = random_values(count_d * rows * n, 23), c(count_d * rows * n * 4, name);
  cuda::launch_dequantize({values.as(), 2, FormatId::bf16, count_d * rows, n, nullptr, 1, 1}, c.as(), FormatId::f32, nullptr, name);
  GemmLaunch launch;
  launch.problem.grouping = grouping;
  launch.problem.groups = groups;
  launch.problem.m = static_cast<int>(rows);
  launch.problem.n = n;
  launch.problem.k = k;
  launch.problem.layout = layout.empty() ? nullptr : on_device.as<int>();
  launch.problem.c = with_c ? c.as<float>() : nullptr;
  launch.a = a.view(stride);
  launch.b = b.view(stride);
  launch.scales_b = tile.scales_b;
  launch.d = d.as();
  launch.d_stride = d_stride;
  launch.output = width == 2 ? FormatId::bf16 : FormatId::f32;
  launch.tile = &tile;
  launch.where = name;
  launch_gemm(launch, nullptr);
  const std::vector<u8> actual = bytes_of(d, name);
  Difference difference;
  i64 compared = 0;
  const auto hold = [&](i64 first, i64 height, i64 group_a, i64 group_b, i64 group_d, i64 begin, i64 length) {
    if (height == 0) return;
    const float* added = with_c ? c.as<float>() + (group_d * rows + first) * n : nullptr;
    const std::vector<u8> wanted = general(launch, a.codes.as<u8>() + (group_a * rows + first) * stride + begin,
                                           a.scales.as<float>() + (group_a * steps + begin / 128) * a.scale_stride + first, height,
                                           b.codes.as<u8>() + group_b * n * stride + begin, b.scales.as<float>() + (group_b * steps + begin / 128) * b.scale_stride,
                                           length, added);
    for (i64 row = 0; row < height; row++) {
      compare(difference, actual.data() + (group_d * rows + first + row) * d_stride * width, wanted.data() + row * n * width, n, width, (first + row) * n);
    }
    compared += height * n;
  };
  if (grouping == Grouping::dense) hold(0, rows, 0, 0, 0, 0, k);
  if (grouping == Grouping::contiguous) hold(0, 256, 0, 2, 0, 0, k), hold(256, 128, 0, 1, 0, 0, k), hold(512, 256, 0, 0, 0, 0, k);
  if (grouping == Grouping::offsets) hold(0, 200, 0, 0, 0, 0, k), hold(256, 256, 0, 1, 0, 0, k), hold(512, 1, 0, 2, 0, 0, k);
  if (grouping == Grouping::masked) hold(0, m, 0, 0, 0, 0, k), hold(0, m / 2 + 1, 2, 2, 2, 0, k);
  if (grouping == Grouping::k_grouped) hold(0, rows, 0, 0, 0, 0, 128), hold(0, rows, 0, 0, 2, 128, k - 128);
  return report(name, compared, difference);
}

}  // namespace

bool check_gemms() {
  bool agree = true;
  for (const TileShape& tile : cuda::gemm_tiles()) {
    const std::string text = tile_text(tile);
    const bool f32 = tile.output_bytes == 4;
    agree = check_gemm(tile, Grouping::dense, 300, 1000, 1024, f32, "dense " + text) && agree;
    agree = check_gemm(tile, Grouping::dense, 1, 37, 77, false, "dense ragged " + text) && agree;
    agree = check_gemm(tile, Grouping::dense, 2500, 2200, 400, false, "dense, several tiles a block " + text) && agree;
    agree = check_gemm(tile, Grouping::k_grouped, 200, 300, 640, f32, "k-grouped " + text) && agree;
    if (tile.share == cuda::Share::b) continue;
    agree = check_gemm(tile, Grouping::masked, 150, 300, 512, false, "masked " + text) && agree;
    if (tile.m > cuda::group_alignment) continue;
    agree = check_gemm(tile, Grouping::contiguous, 0, 520, 512, false, "contiguous " + text) && agree;
    agree = check_gemm(tile, Grouping::offsets, 0, 520, 512, false, "offsets " + text) && agree;
  }
  return agree;
}

}  // namespace fp8lab::bench
