// A CUDA device as a Device: each kernel from its inputs to its results.

#include "../device.h"

#include <cuda_runtime.h>

#include <chrono>
#include <cstring>

#include "../host/kernels.h"
#include "../inputs.h"
#include "../tiles.h"
#include "api.h"
#include "check.h"
#include "compute.h"
#include "matrix.h"
#include "product.h"
#include "transfer.h"

namespace fp8lab {

namespace {

using cuda::check;
using host::Quantized;

/** `12.9` of 12090. */
std::string version_text(int version) { return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10); }

/** What to do where the runtime gives no device; a machine without a driver looks to it like one with an old driver. */
std::string device_fix(cudaError_t status) {
  int driver = 0, runtime = 0;
  if (status == cudaErrorInsufficientDriver && cudaDriverGetVersion(&driver) == cudaSuccess && driver > 0 && cudaRuntimeGetVersion(&runtime) == cudaSuccess) {
    return "update the driver, which is for CUDA " + version_text(driver) + ", or build with a toolkit that it takes; this runner has CUDA " + version_text(runtime);
  }
  if (status == cudaSuccess || status == cudaErrorNoDevice || status == cudaErrorInsufficientDriver) {
    return "run on a machine with a Hopper GPU (H100, H200, H800) and its driver, or use --device host";
  }
  return "see what nvidia-smi says of the GPU and its driver, or use --device host";
}

double now_ms() { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

}  // namespace

namespace cuda {

Tensors compute(const QuantizeSpec& spec, const Tensors& inputs, const std::string& at) {
  const Tensor& x = require_tensor(inputs, "x");
  require_shape("x", x, {spec.rows, spec.columns});
  return quantized_tensors(quantize(upload_matrix(x, at), spec.scheme, at));
}

Tensors compute(const DequantizeSpec& spec, const Tensors& inputs, const std::string& at) {
  const Matrix x = upload_quantized(operand("x", spec.x, inputs, spec.rows, spec.columns, at), spec.x.scheme, at);
  const DType dtype = dtype_of(spec.output);
  Buffer out(spec.rows * spec.columns * lane_bytes(dtype), at);
  launch_dequantize(x.view, out.as(), spec.output, nullptr, at);
  finish(at);
  Tensors tensors;
  tensors.emplace("x", download(out, dtype, {spec.rows, spec.columns}, at));
  return tensors;
}

Tensors compute(const RequantizeSpec& spec, const Tensors& inputs, const std::string& at) {
  const Matrix x = upload_quantized(operand("x", spec.x, inputs, spec.rows, spec.columns, at), spec.x.scheme, at);
  return quantized_tensors(quantize(x, spec.to, at));
}

Tensors compute(const GemmSpec& spec, const Tensors& inputs, const std::string& at) {
  const Quantized a = operand("a", spec.a, inputs, spec.m, spec.k, at), b = operand("b", spec.b, inputs, spec.n, spec.k, at);
  const auto c = inputs.find("c");
  if (c != inputs.end()) require_shape("c", c->second, {spec.m, spec.n});
  Tensors tensors;
  tensors.emplace("d", multiply(spec, a, b, c == inputs.end() ? nullptr : &c->second, at));
  return tensors;
}

Tensors compute(const GroupedGemmSpec& spec, const Tensors& inputs, const std::string& at) {
  Tensors tensors;
  tensors.emplace("d", multiply_groups(spec, inputs, at));
  return tensors;
}

}  // namespace cuda

namespace {

class CudaDevice : public Device {
 public:
  DeviceIdentity identify() const override {
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties", "device 0");
    int driver = 0, runtime = 0, clock = 0;
    check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion", "device 0");
    check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion", "device 0");
    check(cudaDeviceGetAttribute(&clock, cudaDevAttrClockRate, 0), "cudaDeviceGetAttribute", "device 0");
    return {properties.name,
            {{"computeCapability", std::to_string(properties.major) + "." + std::to_string(properties.minor)},
             {"multiprocessors", std::to_string(properties.multiProcessorCount)},
             {"memoryBytes", std::to_string(properties.totalGlobalMem)},
             {"l2Bytes", std::to_string(properties.l2CacheSize)},
             {"maxClockKHz", std::to_string(clock)},
             {"driver", std::to_string(driver)},
             {"runtime", std::to_string(runtime)}}};
  }

  Outcome run(const Spec& spec, const Tensors& given) override {
    const double begin = now_ms();
    Tensors made;
    const Tensors& inputs = materialize_inputs(spec, given, made);
    const double ready = now_ms();
    Outcome outcome;
    outcome.tensors = std::visit(
        [&](const auto& kernel) { return cuda::compute(kernel, inputs, std::string(kernel_name(spec)) + " of " + spec.name); }, spec.kernel);
    outcome.inputs_ms = ready - begin;
    outcome.kernel_ms = now_ms() - ready;
    return outcome;
  }
};

}  // namespace

std::unique_ptr<Device> make_cuda_device() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess || count == 0) {
    throw Error(ErrorKind::environment, "no-cuda-device", std::string("no CUDA device: ") + (status == cudaSuccess ? "none found" : cudaGetErrorString(status)),
                "native:cuda", device_fix(status));
  }
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties", "native:cuda");
  if (properties.major != 9 || properties.minor != 0) {
    throw Error(ErrorKind::environment, "wrong-cuda-device",
                std::string(properties.name) + " has compute capability " + std::to_string(properties.major) + "." + std::to_string(properties.minor) +
                    ", the kernels are for 9.0",
                "native:cuda", "choose a Hopper GPU with CUDA_VISIBLE_DEVICES, or use --device host");
  }
  check(cudaSetDevice(0), "cudaSetDevice", "native:cuda");
  return std::make_unique<CudaDevice>();
}

}  // namespace fp8lab
