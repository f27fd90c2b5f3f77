#pragma once
// The emulator's twin of kernels/cuda/wgmma.cuh: products of a warpgroup, done some time after all its threads have issued them.

#include <cstring>

#include "../numerics/formats.h"
#include "ptx.h"

namespace fp8lab::emulator {

/** One instruction. */
struct WgmmaOp {
  int n;
  FormatId format_a, format_b;
  /** Sums of f16, two columns a register; else f32. */
  bool half;
  /** A's registers in place of its descriptor. */
  bool registers;
  u64 a, b;
  bool accumulate;
  /** Of each thread of the warpgroup: its sums, and its registers of A. */
  u32* sums[128];
  u32 fragments[128][4];
  u32 issued;
};

/** Issues the running thread's part. */
void issue_wgmma(const WgmmaOp& op, u32* sums, const u32* fragment);

}  // namespace fp8lab::emulator

namespace fp8lab::cuda {

template <int n>
struct Wgmma {
  template <FormatId a_format, FormatId b_format>
  static void issue(float (&d)[n / 2], u64 a, u64 b, int accumulate) {
    emulator::issue_wgmma({n, a_format, b_format, false, false, a, b, accumulate != 0, {}, {}, 0}, reinterpret_cast<u32*>(d), nullptr);
  }
  static void e4m3(float (&d)[n / 2], u64 a, u64 b, int accumulate) { issue<FormatId::e4m3, FormatId::e4m3>(d, a, b, accumulate); }
  static void e4m3_e5m2(float (&d)[n / 2], u64 a, u64 b, int accumulate) { issue<FormatId::e4m3, FormatId::e5m2>(d, a, b, accumulate); }
  static void e5m2_e4m3(float (&d)[n / 2], u64 a, u64 b, int accumulate) { issue<FormatId::e5m2, FormatId::e4m3>(d, a, b, accumulate); }
  static void e5m2(float (&d)[n / 2], u64 a, u64 b, int accumulate) { issue<FormatId::e5m2, FormatId::e5m2>(d, a, b, accumulate); }
  static void e4m3_registers(float (&d)[n / 2], const u32 (&a)[4], u64 b, int accumulate) {
    emulator::issue_wgmma({n, FormatId::e4m3, FormatId::e4m3, false, true, 0, b, accumulate != 0, {}, {}, 0}, reinterpret_cast<u32*>(d), a);
  }
  static void e4m3_f16(u32 (&d)[n / 4], u64 a, u64 b, int accumulate) {
    emulator::issue_wgmma({n, FormatId::e4m3, FormatId::e4m3, true, false, a, b, accumulate != 0, {}, {}, 0}, d, nullptr);
  }
};

}  // namespace fp8lab::cuda
