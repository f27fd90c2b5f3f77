#include "lanes.h"

#include <cstdlib>
#include <cstring>
#include <string>

#include "../../errors.h"
#include "../../numerics/codec.h"

namespace fp8lab::host {

namespace base {
extern const LaneOps ops;
}

#if defined(FP8LAB_X86)
namespace avx2 {
extern const LaneOps ops;
}
namespace avx512 {
extern const LaneOps ops;
}
#endif

int lane_op_sets(const LaneOps* sets[4]) {
  int count = 0;
  sets[count++] = &base::ops;
#if defined(FP8LAB_X86)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) sets[count++] = &avx2::ops;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd")) {
    sets[count++] = &avx512::ops;
  }
#endif
  return count;
}

namespace {

const LaneOps& choose() {
  const LaneOps* sets[4];
  const int count = lane_op_sets(sets);
  const char* asked = std::getenv("FP8LAB_ISA");
  if (asked == nullptr || *asked == 0) return *sets[count - 1];
  std::string names;
  for (int i = 0; i < count; i++) {
    if (std::strcmp(sets[i]->name, asked) == 0) return *sets[i];
    names += (i == 0 ? "" : ", ") + std::string(sets[i]->name);
  }
  throw Error(ErrorKind::environment, "unknown-isa", std::string("this CPU and build have no instruction set ") + asked, "FP8LAB_ISA",
              "use one of " + names);
}

}  // namespace

const LaneOps& lane_ops() {
  static const LaneOps& ops = choose();
  return ops;
}

bool fast_format(const Format& format, Rounding rounding, Overflow overflow, FastFormat& fast) {
  if (rounding != Rounding::nearest_even || format.exponent_bits > 5 || format.sign_bits != 1) return false;
  fast.mantissa_bits = format.mantissa_bits;
  fast.bias_codes = static_cast<u32>(127 - format.bias) << format.mantissa_bits;
  fast.min_normal_bits = format.min_normal_bits;
  fast.magic_bits = format.min_subnormal_bits + (23u << 23);
  fast.max_code = format.max_code;
  fast.overflow_code = overflow_code(format, overflow);
  fast.nan_code = format.nan_code >= 0 ? static_cast<u32>(format.nan_code) : format.max_code;
  fast.sign_shift = static_cast<u32>(32 - format.bits);
  return true;
}

}  // namespace fp8lab::host
