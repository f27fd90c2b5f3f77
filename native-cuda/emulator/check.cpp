// `fp8lab-bench check` as far as the emulator is quick enough for it: gemms are held against the host spec by spec instead.

#include <cstdio>

#include "../bench/bench.h"
#include "../errors.h"

int main() {
  try {
    return fp8lab::bench::check_quantizers() ? 0 : 1;
  } catch (const fp8lab::Error& error) {
    std::fprintf(stderr, "%s: %s (%s)\n", error.code.c_str(), error.what(), error.where.c_str());
    return static_cast<int>(error.kind);
  }
}
