// What the wgmma instruction really returns, against the model of docs/numerics.md: one JSON line a probe, `agree` or the first case that differs.
// Exit code 0: all agree; 1: some differ; 3: no Hopper GPU.

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../kernels/cuda/descriptor.h"
#include "../kernels/cuda/launch.h"
#include "../kernels/cuda/ptx.cuh"
#include "../kernels/cuda/wgmma.cuh"
#include "../kernels/device.h"
#include "../numerics/philox.h"
#include "../numerics/tensor_core.h"

namespace fp8lab::cuda {

namespace {

constexpr int rows = 64;
constexpr int most_k = 128;

enum class Form { e4m3, e4m3_e5m2, e5m2_e4m3, e5m2, e4m3_registers, e4m3_f16 };

template <int n, Form form>
__device__ __forceinline__ void multiply(float (&d)[n / 2], const u32 (&fragment)[4], u64 a, u64 b, int accumulate) {
  if constexpr (form == Form::e4m3_registers) Wgmma<n>::e4m3_registers(d, fragment, b, accumulate);
  if constexpr (form == Form::e4m3_e5m2) Wgmma<n>::e4m3_e5m2(d, a, b, accumulate);
  if constexpr (form == Form::e5m2_e4m3) Wgmma<n>::e5m2_e4m3(d, a, b, accumulate);
  if constexpr (form == Form::e5m2) Wgmma<n>::e5m2(d, a, b, accumulate);
  if constexpr (form == Form::e4m3) Wgmma<n>::e4m3(d, a, b, accumulate);
}

/** One warpgroup: `steps` chained instructions on A [64, 128], B [n, 128], from C [64, n] (bits of f32, or of f16) or from zero. */
template <int n, Form form>
__global__ void __launch_bounds__(128) probe(const u8* a, const u8* b, const u32* c, u32* d, int steps) {
  u8* memory = dynamic_shared<u8>();
  for (int i = threadIdx.x; i < (rows + n) * most_k; i += 128) {
    const int row = i / most_k, k = i % most_k;
    const u32 offset = row < rows ? swizzle128(row, k / 16) : rows * most_k + swizzle128(row - rows, k / 16);
    memory[offset + k % 16] = row < rows ? a[row * most_k + k] : b[(row - rows) * most_k + k];
  }
  async_proxy_fence();
  __syncthreads();
  const int row = threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4, column = threadIdx.x % 4 * 2;
  const u64 descriptor_a = operand_descriptor(shared_address(memory));
  const u64 descriptor_b = operand_descriptor(shared_address(memory + rows * most_k));
  const auto place = [&](int i) { return (row + (i / 2 % 2) * 8) * n + column + i / 4 * 8 + i % 2; };
  if constexpr (form == Form::e4m3_f16) {
    u32 sum[n / 4];
#pragma unroll
    for (int i = 0; i < n / 4; i++) sum[i] = c == nullptr ? 0 : c[place(2 * i)] | c[place(2 * i + 1)] << 16;
#pragma unroll
    for (int i = 0; i < n / 4; i++) asm volatile("" : "+r"(sum[i])::"memory");
    wgmma_fence();
#pragma unroll
    for (int step = 0; step < 4; step++) {
      if (step < steps) Wgmma<n>::e4m3_f16(sum, advance_descriptor(descriptor_a, step * 32, 0), advance_descriptor(descriptor_b, step * 32, 0), c != nullptr || step != 0);
    }
    wgmma_commit();
    wgmma_wait<0>();
#pragma unroll
    for (int i = 0; i < n / 4; i++) {
      asm volatile("" : "+r"(sum[i])::"memory");
      d[place(2 * i)] = sum[i] & 0xffff;
      d[place(2 * i + 1)] = sum[i] >> 16;
    }
  } else {
    float sum[n / 2];
#pragma unroll
    for (int i = 0; i < n / 2; i++) sum[i] = c == nullptr ? 0.0f : __uint_as_float(c[place(i)]);
    u32 fragments[4][4];
#pragma unroll
    for (int step = 0; step < 4; step++) {
#pragma unroll
      for (int r = 0; r < 4; r++) fragments[step][r] = *reinterpret_cast<const u32*>(a + (row + r % 2 * 8) * most_k + step * 32 + r / 2 * 16 + threadIdx.x % 4 * 4);
    }
    pin(sum);
    wgmma_fence();
#pragma unroll
    for (int step = 0; step < 4; step++) {
      if (step < steps) {
        multiply<n, form>(sum, fragments[step], advance_descriptor(descriptor_a, step * 32, 0), advance_descriptor(descriptor_b, step * 32, 0), c != nullptr || step != 0);
      }
    }
    wgmma_commit();
    wgmma_wait<0>();
    pin(sum);
#pragma unroll
    for (int i = 0; i < n / 2; i++) d[place(i)] = __float_as_uint(sum[i]);
  }
}

/** Codes and accumulators of one launch; `c` empty: from zero. */
struct Case {
  std::vector<u8> a, b;
  std::vector<u32> c;
};

using Maker = std::function<u32(u32 word, int row, int k)>;

struct Probe {
  const char* name;
  const char* what;
  Form form;
  int n;
  int steps;
  Maker a, b;
  /** Empty: from zero. */
  Maker c;
};

FormatId format_a(Form form) { return form == Form::e5m2 || form == Form::e5m2_e4m3 ? FormatId::e5m2 : FormatId::e4m3; }
FormatId format_b(Form form) { return form == Form::e5m2 || form == Form::e4m3_e5m2 ? FormatId::e5m2 : FormatId::e4m3; }

Case make_case(const Probe& probe, u32 seed) {
  Case made{std::vector<u8>(rows * most_k), std::vector<u8>(static_cast<std::size_t>(probe.n) * most_k), {}};
  for (int i = 0; i < rows * most_k; i++) made.a[static_cast<std::size_t>(i)] = static_cast<u8>(probe.a(philox_word(seed, static_cast<u64>(i), 16), i / most_k, i % most_k));
  for (int i = 0; i < probe.n * most_k; i++) made.b[static_cast<std::size_t>(i)] = static_cast<u8>(probe.b(philox_word(seed, static_cast<u64>(i), 17), i / most_k, i % most_k));
  for (int i = 0; probe.c && i < rows * probe.n; i++) made.c.push_back(probe.c(philox_word(seed, static_cast<u64>(i), 18), i / probe.n, i % probe.n));
  return made;
}

/** Products of a row of A and a row of B. */
struct Products {
  const u8* a;
  const u8* b;
  Format format_a;
  Format format_b;
  __host__ __device__ Term operator()(i64 k) const { return product(decode_operand(a[k], format_a), decode_operand(b[k], format_b)); }
};

/** Bits that the model gives for one output: f32, or f16. */
u32 expected(const Probe& probe, const Case& made, int row, int column) {
  const bool half = probe.form == Form::e4m3_f16;
  const Format fa = format_of(format_a(probe.form)), fb = format_of(format_b(probe.form)), f16 = format_of(FormatId::f16);
  const Model model{ModelKind::aligned, 13, 32, half ? StepOutput::f16_rne : StepOutput::e8m13, TermOrder::linear};
  u32 sum = made.c.empty() ? 0 : made.c[static_cast<std::size_t>(row * probe.n + column)];
  if (half) sum = decode(sum, f16);
  for (int step = 0; step < probe.steps; step++) {
    const u8* a = made.a.data() + row * most_k + step * 32;
    const u8* b = made.b.data() + column * most_k + step * 32;
    sum = aligned_step(model, fa.mantissa_bits + fb.mantissa_bits, sum, 32, Products{a, b, fa, fb});
  }
  return half ? encode(sum, f16, Rounding::nearest_even, Overflow::ieee) : sum;
}

template <int n, Form form>
void start(const Case& made, const Buffer& a, const Buffer& b, const Buffer& c, const Buffer& d, int steps) {
  constexpr i64 bytes = (rows + n) * most_k;
  launch("probe", probe<n, form>, {1, 128, bytes}, nullptr, "probe", a.as<u8>(), b.as<u8>(), made.c.empty() ? nullptr : c.as<u32>(), d.as<u32>(), steps);
}

void dispatch(const Probe& p, const Case& made, const Buffer& a, const Buffer& b, const Buffer& c, const Buffer& d) {
  if (p.form == Form::e4m3_registers) return start<64, Form::e4m3_registers>(made, a, b, c, d, p.steps);
  if (p.form == Form::e4m3_e5m2) return start<64, Form::e4m3_e5m2>(made, a, b, c, d, p.steps);
  if (p.form == Form::e5m2_e4m3) return start<64, Form::e5m2_e4m3>(made, a, b, c, d, p.steps);
  if (p.form == Form::e5m2) return start<64, Form::e5m2>(made, a, b, c, d, p.steps);
  if (p.form == Form::e4m3_f16) return start<64, Form::e4m3_f16>(made, a, b, c, d, p.steps);
  if (p.n == 8) return start<8, Form::e4m3>(made, a, b, c, d, p.steps);
  if (p.n == 128) return start<128, Form::e4m3>(made, a, b, c, d, p.steps);
  if (p.n == 256) return start<256, Form::e4m3>(made, a, b, c, d, p.steps);
  start<64, Form::e4m3>(made, a, b, c, d, p.steps);
}

Buffer upload(const void* data, std::size_t bytes, const char* where) {
  Buffer buffer(static_cast<i64>(bytes), where);
  check(cudaMemcpy(buffer.as(), data, bytes, cudaMemcpyHostToDevice), "cudaMemcpy", where);
  return buffer;
}

/** Runs a probe on several cases and prints its line; whether all agree. */
bool run(const Probe& p) {
  long compared = 0, differing = 0;
  char first[256] = "null";
  for (u32 seed = 1; seed <= 8; seed++) {
    const Case made = make_case(p, seed);
    const Buffer a = upload(made.a.data(), made.a.size(), p.name), b = upload(made.b.data(), made.b.size(), p.name);
    const Buffer c = upload(made.c.data(), made.c.size() * 4, p.name);
    const Buffer d(static_cast<i64>(rows) * p.n * 4, p.name);
    dispatch(p, made, a, b, c, d);
    std::vector<u32> actual(static_cast<std::size_t>(rows) * static_cast<std::size_t>(p.n));
    check(cudaMemcpy(actual.data(), d.as(), actual.size() * 4, cudaMemcpyDeviceToHost), "cudaMemcpy", p.name);
    for (int i = 0; i < rows * p.n; i++) {
      const u32 wanted = expected(p, made, i / p.n, i % p.n);
      compared++;
      if (actual[static_cast<std::size_t>(i)] == wanted) continue;
      if (differing++ == 0) {
        std::snprintf(first, sizeof first, "{\"seed\":%u,\"row\":%d,\"column\":%d,\"actual\":\"%08x\",\"expected\":\"%08x\",\"c\":\"%08x\"}", seed, i / p.n, i % p.n,
                      actual[static_cast<std::size_t>(i)], wanted, made.c.empty() ? 0 : made.c[static_cast<std::size_t>(i)]);
      }
    }
  }
  std::printf("{\"probe\":\"%s\",\"what\":\"%s\",\"n\":%d,\"steps\":%d,\"agree\":%s,\"compared\":%ld,\"differing\":%ld,\"first\":%s}\n", p.name, p.what, p.n, p.steps,
              differing == 0 ? "true" : "false", compared, differing, first);
  // A later probe that never ends must not take this one's line with it.
  std::fflush(stdout);
  return differing == 0;
}

u32 finite_e4m3(u32 word) { return (word & 0x7f) == 0x7f ? word & 0xfe : word & 0xff; }
u32 finite_e5m2(u32 word) { return (word & 0x7c) == 0x7c ? word & 0xfb : word & 0xff; }

std::vector<Probe> probes() {
  const Maker e4m3 = [](u32 w, int, int) { return finite_e4m3(w); };
  const Maker e5m2 = [](u32 w, int, int) { return finite_e5m2(w); };
  const Maker any = [](u32 w, int, int) { return w & 0xff; };
  const Maker zero = [](u32, int, int) { return 0u; };
  const Maker zero_or_negative = [](u32 w, int, int) { return w & 0x80; };
  const Maker largest_e5m2 = [](u32 w, int, int) { return 0x7b | (w & 0x80); };
  const Maker positive_e5m2 = [](u32, int, int) { return 0x7bu; };
  const Maker sparse = [](u32 w, int, int) { return (w >> 8) % 16 == 0 ? finite_e4m3(w) : w & 0x80; };
  const Maker near = [](u32 w, int, int) { return (w & 0x807fffff) | ((w >> 23) % 40 + 110) << 23; };
  const Maker subnormal = [](u32 w, int, int) { return w & 0x807fffff; };
  const Maker tiny = [](u32 w, int, int) { return (w & 0x807fffff) | ((w >> 23) % 16) << 23; };
  const Maker huge = [](u32 w, int, int) { return (w & 0x807fffff) | ((w >> 23) % 4 + 251) << 23; };
  const Maker every = [](u32 w, int, int) { return w; };
  const Maker special = [](u32 w, int, int) { return w % 4 == 0 ? 0x7f800000u | (w & 0x80000000u) : w % 4 == 1 ? 0x7fc00001u | (w & 0x80000000u) : w & 0xbfffffff; };
  const Maker minus_zero = [](u32, int, int) { return 0x80000000u; };
  const Maker f16 = [](u32 w, int, int) { return (w & 0x7c00) == 0x7c00 ? w & 0xfbff : w & 0xffff; };
  return {
      {"P1a", "C of 24 bits near the products", Form::e4m3, 64, 1, e4m3, e4m3, near},
      {"P1b", "C subnormal", Form::e4m3, 64, 1, sparse, sparse, subnormal},
      {"P1c", "C huge", Form::e4m3, 64, 1, e4m3, e4m3, huge},
      {"P1d", "C any finite or not, products zero", Form::e4m3, 64, 1, zero, e4m3, every},
      {"P2a", "four chained from zero", Form::e4m3, 64, 4, e4m3, e4m3, nullptr},
      {"P2b", "four chained from C", Form::e4m3, 64, 4, e4m3, e4m3, near},
      {"P3a", "e4m3 x e5m2", Form::e4m3_e5m2, 64, 2, e4m3, e5m2, near},
      {"P3b", "e5m2 x e4m3", Form::e5m2_e4m3, 64, 2, e5m2, e4m3, near},
      {"P3c", "e5m2 x e5m2", Form::e5m2, 64, 2, e5m2, e5m2, near},
      {"P4a", "NaN and infinities among e5m2 operands", Form::e5m2, 64, 1, any, any, nullptr},
      {"P4b", "few NaN, e4m3", Form::e4m3, 64, 1, [](u32 w, int, int) { return (w >> 8) % 64 == 0 ? 0x7fu : finite_e4m3(w); }, e4m3, nullptr},
      {"P4c", "NaN and infinities in C", Form::e4m3, 64, 1, e4m3, e4m3, special},
      {"P5a", "f16 sums from zero", Form::e4m3_f16, 64, 1, sparse, sparse, nullptr},
      {"P5b", "f16 sums from C, chained", Form::e4m3_f16, 64, 4, sparse, sparse, f16},
      {"P6a", "zero times the largest, C subnormal", Form::e5m2, 64, 1, zero, largest_e5m2, subnormal},
      {"P6b", "zero times the largest, C tiny", Form::e5m2, 64, 1, zero_or_negative, largest_e5m2, tiny},
      {"P7", "sums past the largest f32", Form::e5m2, 64, 4, positive_e5m2, positive_e5m2, [](u32 w, int, int) { return 0x7f7fffffu - (w & 0x3fffff); }},
      {"P8a", "products of minus zero, C minus zero", Form::e4m3, 64, 1, zero_or_negative, e4m3, minus_zero},
      {"P8b", "products of minus zero, from zero", Form::e4m3, 64, 1, zero_or_negative, e4m3, nullptr},
      {"P9", "subnormal results", Form::e4m3, 64, 1, zero, e4m3, tiny},
      {"P10a", "N = 8", Form::e4m3, 8, 4, e4m3, e4m3, near},
      {"P10b", "N = 128", Form::e4m3, 128, 4, e4m3, e4m3, near},
      {"P10c", "N = 256", Form::e4m3, 256, 4, e4m3, e4m3, near},
      {"P10d", "A in registers", Form::e4m3_registers, 64, 4, e4m3, e4m3, near},
  };
}

}  // namespace

}  // namespace fp8lab::cuda

int main() {
  try {
    fp8lab::make_cuda_device();
    bool agree = true;
    for (const fp8lab::cuda::Probe& probe : fp8lab::cuda::probes()) agree = fp8lab::cuda::run(probe) && agree;
    return agree ? 0 : 1;
  } catch (const fp8lab::Error& error) {
    std::fprintf(stderr, "{\"code\":\"%s\",\"message\":\"%s\",\"where\":\"%s\",\"fix\":\"%s\"}\n", error.code.c_str(), error.what(), error.where.c_str(), error.fix.c_str());
    return static_cast<int>(error.kind);
  }
}
