#pragma once
// What two kernels wrote, held against each other.

#include <cstring>

#include "data.h"
#include "timing.h"

namespace fp8lab::bench {

/** Of 16-bit or 32-bit words: how many differ, and the first that does. */
struct Difference {
  i64 count = 0;
  i64 first = -1;
};

inline std::vector<u8> bytes_of(const Buffer& buffer, const std::string& where) {
  std::vector<u8> bytes(static_cast<std::size_t>(buffer.bytes()));
  cuda::check(cudaDeviceSynchronize(), "cudaDeviceSynchronize", where);
  cuda::check(cudaMemcpy(bytes.data(), buffer.as(), bytes.size(), cudaMemcpyDeviceToHost), "cudaMemcpy", where);
  buffer.require_guard(where);
  return bytes;
}

inline bool report(const std::string& name, i64 compared, const Difference& difference) {
  Line().text("check", name).number("compared", static_cast<double>(compared)).number("differing", static_cast<double>(difference.count))
      .number("first", static_cast<double>(difference.first)).print();
  return difference.count == 0 && compared > 0;
}

inline void compare(Difference& difference, const u8* a, const u8* b, i64 count, i64 width, i64 first) {
  for (i64 i = 0; i < count; i++) {
    if (std::memcmp(a + i * width, b + i * width, static_cast<std::size_t>(width)) == 0) continue;
    if (difference.count++ == 0) difference.first = first + i;
  }
}

}  // namespace fp8lab::bench
