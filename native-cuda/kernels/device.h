#pragma once
// Something that computes specs: the host, or a CUDA device. The runner knows nothing else of either.

#include <map>
#include <memory>
#include <string>

#include "../specs/spec.h"
#include "../tensors/tensor.h"

namespace fp8lab {

/** Who computes: `adapter` as the hardware names itself, and other facts worth recording (driver, instruction set, clocks). */
struct DeviceIdentity {
  std::string adapter;
  std::map<std::string, std::string> details;
};

/** Result tensors under the contract's names (docs/architecture.md), and milliseconds of wall clock. */
struct Outcome {
  Tensors tensors;
  double inputs_ms = 0;
  double kernel_ms = 0;
};

class Device {
 public:
  virtual ~Device() = default;
  virtual DeviceIdentity identify() const = 0;
  /**
   * Computes a spec. `given` holds inputs under the contract's names; where it is empty the device makes them from the spec's generators.
   * Results are poisoned before the kernel and have guard bytes behind them.
   */
  virtual Outcome run(const Spec& spec, const Tensors& given) = 0;
};

/** The host's cores; `threads` 0 takes all of them. */
std::unique_ptr<Device> make_host_device(int threads);

/**
 * The first CUDA device. Throws an `environment` error with code `no-cuda-device` where there is none, or `no-cuda-build` where the binary
 * was built without nvcc. Defined in kernels/cuda/, or in runner/without_cuda.cpp.
 */
std::unique_ptr<Device> make_cuda_device();

}  // namespace fp8lab
