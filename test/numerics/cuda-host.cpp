// Prints what the CUDA toolkit's own headers make of f32 bit patterns, on the host:
//   cuda-host CONVERSION              patterns (u32, little-endian) from standard input
//   cuda-host CONVERSION FIRST COUNT  patterns FIRST, FIRST + 1, ...
// CONVERSION is format:rounding:overflow. Codes go to standard output, a byte each, bf16 and f16 two (little-endian).
// Plain C++: g++ -std=c++17 -O2 -I$CUDA_HOME/include.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp4.h>
#include <cuda_fp6.h>
#include <cuda_fp8.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace {

using Convert = uint16_t (*)(float);

template <__nv_saturation_t Saturation, __nv_fp8_interpretation_t Format>
uint16_t toFp8(float x) {
  return __nv_cvt_float_to_fp8(x, Saturation, Format);
}

template <__nv_saturation_t Saturation, cudaRoundMode Rounding>
uint16_t toE8m0(float x) {
  return __nv_cvt_float_to_e8m0(x, Saturation, Rounding);
}

template <__nv_fp6_interpretation_t Format, cudaRoundMode Rounding>
uint16_t toFp6(float x) {
  return __nv_cvt_float_to_fp6(x, Format, Rounding);
}

template <cudaRoundMode Rounding>
uint16_t toFp4(float x) {
  return __nv_cvt_float_to_fp4(x, __NV_E2M1, Rounding);
}

template <__half (*Function)(float)>
uint16_t toHalf(float x) {
  return static_cast<__half_raw>(Function(x)).x;
}

template <__nv_bfloat16 (*Function)(float)>
uint16_t toBfloat16(float x) {
  return static_cast<__nv_bfloat16_raw>(Function(x)).x;
}

const std::map<std::string, Convert> conversions = {
    {"e4m3:nearest-even:saturate", toFp8<__NV_SATFINITE, __NV_E4M3>},
    {"e4m3:nearest-even:ieee", toFp8<__NV_NOSAT, __NV_E4M3>},
    {"e5m2:nearest-even:saturate", toFp8<__NV_SATFINITE, __NV_E5M2>},
    {"e5m2:nearest-even:ieee", toFp8<__NV_NOSAT, __NV_E5M2>},
    {"e8m0:toward-zero:saturate", toE8m0<__NV_SATFINITE, cudaRoundZero>},
    {"e8m0:toward-positive:saturate", toE8m0<__NV_SATFINITE, cudaRoundPosInf>},
    {"e8m0:toward-zero:ieee", toE8m0<__NV_NOSAT, cudaRoundZero>},
    {"e8m0:toward-positive:ieee", toE8m0<__NV_NOSAT, cudaRoundPosInf>},
    {"e2m3:nearest-even:saturate", toFp6<__NV_E2M3, cudaRoundNearest>},
    {"e2m3:toward-zero:saturate", toFp6<__NV_E2M3, cudaRoundZero>},
    {"e3m2:nearest-even:saturate", toFp6<__NV_E3M2, cudaRoundNearest>},
    {"e3m2:toward-zero:saturate", toFp6<__NV_E3M2, cudaRoundZero>},
    {"e2m1:nearest-even:saturate", toFp4<cudaRoundNearest>},
    {"e2m1:toward-zero:saturate", toFp4<cudaRoundZero>},
    {"f16:nearest-even:ieee", toHalf<__float2half_rn>},
    {"f16:toward-zero:ieee", toHalf<__float2half_rz>},
    {"f16:toward-positive:ieee", toHalf<__float2half_ru>},
    {"f16:toward-negative:ieee", toHalf<__float2half_rd>},
    {"bf16:nearest-even:ieee", toBfloat16<__float2bfloat16_rn>},
    {"bf16:toward-zero:ieee", toBfloat16<__float2bfloat16_rz>},
    {"bf16:toward-positive:ieee", toBfloat16<__float2bfloat16_ru>},
    {"bf16:toward-negative:ieee", toBfloat16<__float2bfloat16_rd>},
};

float valueOf(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

void write(Convert convert, size_t width, const std::vector<uint32_t>& patterns) {
  std::vector<uint8_t> bytes;
  bytes.reserve(patterns.size() * width);
  for (uint32_t bits : patterns) {
    const uint16_t code = convert(valueOf(bits));
    bytes.push_back(static_cast<uint8_t>(code));
    if (width == 2) bytes.push_back(static_cast<uint8_t>(code >> 8));
  }
  std::fwrite(bytes.data(), 1, bytes.size(), stdout);
}

constexpr size_t kBatch = size_t{1} << 20;

void writeRange(Convert convert, size_t width, uint64_t first, uint64_t count) {
  std::vector<uint32_t> patterns;
  for (uint64_t at = first; at < first + count; at += patterns.size()) {
    patterns.resize(std::min<uint64_t>(kBatch, first + count - at));
    for (size_t i = 0; i < patterns.size(); ++i) patterns[i] = static_cast<uint32_t>(at + i);
    write(convert, width, patterns);
  }
}

void writeInput(Convert convert, size_t width) {
  std::vector<uint32_t> patterns(kBatch);
  while (const size_t count = std::fread(patterns.data(), sizeof(uint32_t), kBatch, stdin)) {
    patterns.resize(count);
    write(convert, width, patterns);
    patterns.resize(kBatch);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const auto found = argc >= 2 ? conversions.find(argv[1]) : conversions.end();
  if (found == conversions.end() || (argc != 2 && argc != 4)) {
    std::fprintf(stderr, "usage: cuda-host format:rounding:overflow [FIRST COUNT]; known:\n");
    for (const auto& [name, convert] : conversions) std::fprintf(stderr, "  %s\n", name.c_str());
    return 2;
  }
  const bool isWide = found->first[0] == 'f' || found->first[0] == 'b';
  const size_t width = isWide ? 2 : 1;
  if (argc == 4) {
    writeRange(found->second, width, std::strtoull(argv[2], nullptr, 0), std::strtoull(argv[3], nullptr, 0));
  } else {
    writeInput(found->second, width);
  }
  return std::fflush(stdout) == 0 ? 0 : 1;
}
