// NVIDIA's own host conversions (cuda_fp8.h) against the codec, where the CUDA toolkit's headers are.

#if defined(FP8LAB_CUDA_FP8)
#include <cuda_fp8.h>
#endif

#include "../kernels/host/parallel.h"
#include "../numerics/codec.h"
#include "check.h"

namespace fp8lab::test {

namespace {

#if defined(FP8LAB_CUDA_FP8)

FP8LAB_TEST("toolkit", "cuda_fp8.h gives the codes of every 251st f32 pattern and all around the codes' boundaries") {
  for (const FormatId id : {FormatId::e4m3, FormatId::e5m2}) {
    const Format format = format_of(id);
    const auto kind = id == FormatId::e4m3 ? __NV_E4M3 : __NV_E5M2;
    const auto compare = [&](u32 bits) {
      const u32 expected = __nv_cvt_float_to_fp8(bits_float(bits), __NV_SATFINITE, kind);
      const u32 actual = encode(bits, format, Rounding::nearest_even, Overflow::saturate);
      if (actual != expected)
        check_equal(actual, expected, std::string(format_names[static_cast<int>(id)]) + " of " + std::to_string(bits));
    };
    host::parallel_for(0, 256, [&](i64 chunk) {
      for (u32 i = 0; i < 1u << 24; i += 251) compare(static_cast<u32>(chunk << 24) + i);
    });
    for (u32 high = 0; high < 1u << 13; high++) {
      for (u32 offset = 0; offset < 5; offset++) compare((high << 19) + offset - 2);
    }
  }
}

#else

FP8LAB_TEST("toolkit", "cuda_fp8.h gives the codec's codes") { throw Skip("the CUDA toolkit's headers are not on this machine"); }

#endif

}  // namespace

}  // namespace fp8lab::test
