#include "transfer.h"

#include <cuda_runtime.h>

namespace fp8lab::cuda {

Buffer upload(const void* data, i64 bytes, const std::string& where) {
  Buffer buffer(bytes, where);
  check(cudaMemcpy(buffer.as(), data, static_cast<std::size_t>(bytes), cudaMemcpyHostToDevice), "cudaMemcpy", where);
  return buffer;
}

void finish(const std::string& where) {
  check(cudaGetLastError(), "launch", where);
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize", where);
}

Tensor download(const Buffer& buffer, DType dtype, std::vector<i64> shape, const std::string& where) {
  Tensor tensor = allocate_result(dtype, std::move(shape));
  check(cudaMemcpy(tensor.lanes.data(), buffer.as(), static_cast<std::size_t>(tensor.lanes.bytes()), cudaMemcpyDeviceToHost), "cudaMemcpy", where);
  buffer.require_guard(where);
  return tensor;
}

}  // namespace fp8lab::cuda
