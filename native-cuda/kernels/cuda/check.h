#pragma once
// CUDA calls checked, and device memory that frees itself.

#include <cuda_runtime.h>

#include <string>

#include "../../errors.h"
#include "../../numerics/hd.h"

namespace fp8lab::cuda {

/** Throws where a CUDA call failed; `where` names the kernel and what it worked on. */
inline void check(cudaError_t status, const char* call, const std::string& where) {
  if (status == cudaSuccess) return;
  // The runtime keeps it as the last error: the next spec's launch would be taken for the one that failed.
  cudaGetLastError();
  const std::string message = std::string(call) + ": " + cudaGetErrorString(status) + " (" + cudaGetErrorName(status) + ")";
  if (status == cudaErrorMemoryAllocation) {
    throw Error(ErrorKind::environment, "out-of-device-memory", message, where, "use a smaller shape, or a device with more free memory");
  }
  throw Error(ErrorKind::device, "cuda-call-failed", message, where, "run again under compute-sanitizer, and report the spec with its output");
}

/** Device memory with a guard behind it: `bytes` poisoned, then guard bytes that kernels must leave alone. */
class Buffer {
 public:
  Buffer() = default;
  Buffer(i64 bytes, const std::string& where) : bytes_(bytes) {
    check(cudaMalloc(&data_, static_cast<std::size_t>(bytes + guard)), "cudaMalloc", where);
    check(cudaMemset(data_, 0xa5, static_cast<std::size_t>(bytes)), "cudaMemset", where);
    check(cudaMemset(static_cast<u8*>(data_) + bytes, 0x5a, guard), "cudaMemset", where);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  Buffer(Buffer&& other) noexcept : data_(other.data_), bytes_(other.bytes_) { other.data_ = nullptr; }
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Buffer() {
    if (data_ != nullptr) cudaFree(data_);
  }

  i64 bytes() const { return bytes_; }
  template <class T = void>
  T* as() const {
    return static_cast<T*>(data_);
  }

  /** Throws where a kernel wrote behind the end. */
  void require_guard(const std::string& where) const {
    u8 seen[guard];
    check(cudaMemcpy(seen, static_cast<u8*>(data_) + bytes_, guard, cudaMemcpyDeviceToHost), "cudaMemcpy", where);
    for (const u8 byte : seen) {
      if (byte != 0x5a) throw Error(ErrorKind::device, "wrote-past-end", "the kernel wrote behind the end of its result", where, "report this with the spec");
    }
  }

 private:
  static constexpr int guard = 256;
  void* data_ = nullptr;
  i64 bytes_ = 0;
};

}  // namespace fp8lab::cuda
