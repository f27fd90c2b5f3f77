// `fp8lab-bench check` as far as the emulator is quick enough for it: gemms are held against the host spec by spec instead.

#include <cstdio>

#include "../bench/bench.h"
#include "../bench/data.h"
#include "../errors.h"

namespace {

/** Whether memory that was refused is refused once: the runtime would give it again as the error of the next launch. */
bool forgets_refusals() {
  try {
    fp8lab::cuda::Buffer(fp8lab::i64{1} << 60, "more than there is");
    return false;
  } catch (const fp8lab::Error& error) {
    return error.code == "out-of-device-memory" && cudaGetLastError() == cudaSuccess;
  }
}

}  // namespace

int main() {
  try {
    const bool agree = fp8lab::bench::check_quantizers();
    if (!forgets_refusals()) std::fprintf(stderr, "a refused allocation is told again\n");
    return agree ? 0 : 1;
  } catch (const fp8lab::Error& error) {
    std::fprintf(stderr, "%s: %s (%s)\n", error.code.c_str(), error.what(), error.where.c_str());
    return static_cast<int>(error.kind);
  }
}
