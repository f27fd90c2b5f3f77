// The device and its memory.

#include <cstring>
#include <string>

#include "copies.h"
#include "include/cudaTypedefs.h"

namespace fp8lab::emulator {

PFN_cuTensorMapEncodeTiled_v12000 map_encoder();

namespace {

/** Few, so that each of the gemm's thread blocks has several tiles; even, for clusters. */
constexpr int multiprocessors = 4;

cudaError_t last_error = cudaSuccess;

}  // namespace

}  // namespace fp8lab::emulator

const char* cudaGetErrorString(cudaError_t status) {
  return status == cudaErrorMemoryAllocation ? "out of memory" : status == cudaErrorInvalidValue ? "invalid argument" : "no error";
}

const char* cudaGetErrorName(cudaError_t status) {
  return status == cudaErrorMemoryAllocation ? "cudaErrorMemoryAllocation" : status == cudaErrorInvalidValue ? "cudaErrorInvalidValue" : "cudaSuccess";
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidValue; }

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device != 0) return cudaErrorInvalidValue;
  *properties = {{}, 9, 0, fp8lab::emulator::multiprocessors, 0, 0};
  const std::string name = "emulated Hopper, order of threads " + std::to_string(fp8lab::emulator::seed());
  std::memcpy(properties->name, name.c_str(), name.size() + 1);
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrMultiProcessorCount ? fp8lab::emulator::multiprocessors : 0;
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = 0;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 0;
  return cudaSuccess;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char* name, void** entry, unsigned, unsigned long long, cudaDriverEntryPointQueryResult* found) {
  if (std::strcmp(name, "cuTensorMapEncodeTiled") != 0) return cudaErrorInvalidValue;
  *entry = reinterpret_cast<void*>(fp8lab::emulator::map_encoder());
  *found = cudaDriverEntryPointSuccess;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** data, std::size_t bytes) {
  *data = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  if (*data == nullptr) fp8lab::emulator::last_error = cudaErrorMemoryAllocation;
  return *data == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
}

cudaError_t cudaGetLastError() { return std::exchange(fp8lab::emulator::last_error, cudaSuccess); }

cudaError_t cudaFree(void* data) {
  std::free(data);
  return cudaSuccess;
}

cudaError_t cudaMemset(void* data, int value, std::size_t bytes) {
  std::memset(data, value, bytes);
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind) {
  if (bytes > 0) std::memcpy(to, from, bytes);
  return cudaSuccess;
}

cudaError_t cudaMemcpy2D(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch, std::size_t width, std::size_t height, cudaMemcpyKind) {
  if (to_pitch < width || from_pitch < width) return cudaErrorInvalidValue;
  for (std::size_t row = 0; row < height; row++) std::memcpy(static_cast<char*>(to) + row * to_pitch, static_cast<const char*>(from) + row * from_pitch, width);
  return cudaSuccess;
}
