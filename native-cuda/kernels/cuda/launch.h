#pragma once
// What a kernel is started with, and the shared memory it has: one text for the device and for the emulator (native-cuda/emulator).

#include <utility>

#include "check.h"

#if defined(FP8LAB_EMULATED)
#include "../../emulator/block.h"
/** `type name[count]` in the thread block's shared memory. */
#define FP8LAB_SHARED(type, name, count) type* const name = ::fp8lab::emulator::shared_array<type>(__FILE__, __LINE__, count)
#else
#define FP8LAB_SHARED(type, name, count) __shared__ type name[count]
#endif

namespace fp8lab::cuda {

/** The shared memory whose size the launch says, at a multiple of 1024 bytes. */
template <class T>
__device__ __forceinline__ T* dynamic_shared() {
#if defined(FP8LAB_EMULATED)
  return reinterpret_cast<T*>(emulator::dynamic_memory());
#else
  extern __shared__ __align__(1024) u8 memory[];
  return reinterpret_cast<T*>(memory);
#endif
}

/** Thread blocks, threads of each, bytes of dynamic shared memory, and thread blocks of a cluster. */
struct Grid {
  dim3 blocks;
  dim3 threads;
  i64 shared_bytes = 0;
  int cluster = 1;
};

/** Threads of a block where a kernel has no reason for another number. */
inline constexpr unsigned threads = 256;

/** Blocks of so many threads that do `count` things, one a thread. */
inline unsigned blocks_of(i64 count) { return static_cast<unsigned>((count + threads - 1) / threads); }

/** Starts a kernel; `name` and `where` are what an error names. */
template <class... Parameters, class... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), const Grid& grid, cudaStream_t stream, const std::string& where, Arguments&&... arguments) {
  cudaLaunchAttribute cluster{};
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim.x = static_cast<unsigned>(grid.cluster);
  cluster.val.clusterDim.y = cluster.val.clusterDim.z = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = grid.blocks;
  config.blockDim = grid.threads;
  config.dynamicSmemBytes = static_cast<std::size_t>(grid.shared_bytes);
  config.stream = stream;
  config.attrs = &cluster;
  config.numAttrs = grid.cluster > 1 ? 1 : 0;
  check(cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...), name, where);
}

}  // namespace fp8lab::cuda
