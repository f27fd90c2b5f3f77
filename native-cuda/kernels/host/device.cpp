// The host as a device.

#include "../device.h"

#include <chrono>
#include <fstream>

#include "../../errors.h"
#include "../inputs.h"
#include "../tiles.h"
#include "kernels.h"
#include "lanes.h"
#include "parallel.h"

namespace fp8lab {

namespace {

using host::Quantized;

double now_ms() { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

i64 lanes_of(i64 count, DType dtype) { return count * lane_bytes(dtype); }

/** Bytes of an operand's codes, where the kernel makes them. */
i64 made_codes(const OperandSpec& operand, i64 count) { return operand.input ? lanes_of(count, dtype_of(operand.scheme.format)) : 0; }

/** Bytes that a run holds at once, near enough: inputs, codes made of them, results, and what a gemm packs. */
i64 bytes_needed(const Spec& spec) {
  i64 bytes = 0;
  for (const InputDeclaration& input : declare_inputs(spec)) bytes += lanes_of(element_count(input.shape), input.dtype);
  if (const auto* quantize = std::get_if<QuantizeSpec>(&spec.kernel)) {
    bytes += lanes_of(quantize->rows * quantize->columns, dtype_of(quantize->scheme.format));
  } else if (const auto* dequantize = std::get_if<DequantizeSpec>(&spec.kernel)) {
    const i64 count = dequantize->rows * dequantize->columns;
    bytes += made_codes(dequantize->x, count) + lanes_of(count, dtype_of(dequantize->output));
  } else if (const auto* requantize = std::get_if<RequantizeSpec>(&spec.kernel)) {
    const i64 count = requantize->rows * requantize->columns;
    bytes += made_codes(requantize->x, count) + lanes_of(count, dtype_of(requantize->to.format));
  } else {
    const auto& gemm = std::get<GemmSpec>(spec.kernel);
    bytes += made_codes(gemm.a, gemm.m * gemm.k) + made_codes(gemm.b, gemm.n * gemm.k) + lanes_of(gemm.m * gemm.n, dtype_of(gemm.output));
    bytes += least<i64>(6 * gemm.m * gemm.k, i64{1} << 28) + 6 * host::group * gemm.k * host::thread_count(0);
  }
  return bytes;
}

/** Bytes of memory that are free or can be made so; 0 where the system does not say. */
i64 bytes_available() {
  std::ifstream file("/proc/meminfo");
  std::string key;
  i64 kilobytes = 0;
  while (file >> key >> kilobytes) {
    if (key == "MemAvailable:") return kilobytes * 1024;
    file.ignore(256, '\n');
  }
  return 0;
}

void require_memory(const Spec& spec) {
  const i64 needed = bytes_needed(spec);
  const i64 available = bytes_available();
  if (available == 0 || needed <= available) return;
  throw Error(ErrorKind::environment, "out-of-memory",
              "the spec needs about " + std::to_string(needed >> 20) + " MiB, " + std::to_string(available >> 20) + " MiB are free",
              spec.name, "use a smaller shape, or a machine with more memory");
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown CPU";
}

/** Moves a made tensor out, or copies what it shares. */
Tensor take(std::shared_ptr<const Tensor> tensor) { return std::move(const_cast<Tensor&>(*tensor)); }

Tensors quantized_tensors(Quantized quantized) {
  Tensors tensors;
  tensors.emplace("codes", take(quantized.codes));
  tensors.emplace("scales", take(quantized.scales));
  if (quantized.tensor_scale) tensors.emplace("tensor_scale", take(quantized.tensor_scale));
  return tensors;
}

/** Computes each kind of kernel from its inputs. */
struct Kernels {
  const Tensors& inputs;
  int threads;

  Tensors operator()(const QuantizeSpec& spec) const {
    const Tensor& x = require_tensor(inputs, "x");
    require_shape("x", x, {spec.rows, spec.columns});
    return quantized_tensors(host::quantize(host::widened(x), spec.rows, spec.columns, spec.scheme, threads));
  }

  Tensors operator()(const DequantizeSpec& spec) const {
    const Quantized x = host::quantized_operand("x", spec.x, inputs, spec.rows, spec.columns, threads);
    Tensors tensors;
    tensors.emplace("x", host::dequantize(x, spec.x.scheme, spec.output, threads));
    return tensors;
  }

  Tensors operator()(const RequantizeSpec& spec) const {
    const Quantized x = host::quantized_operand("x", spec.x, inputs, spec.rows, spec.columns, threads);
    return quantized_tensors(host::quantize(host::dequantized(x, spec.x.scheme), spec.rows, spec.columns, spec.to, threads));
  }

  Tensors operator()(const GemmSpec& spec) const {
    const Quantized a = host::quantized_operand("a", spec.a, inputs, spec.m, spec.k, threads);
    const Quantized b = host::quantized_operand("b", spec.b, inputs, spec.n, spec.k, threads);
    const auto c = inputs.find("c");
    Tensors tensors;
    tensors.emplace("d", host::gemm(spec, a, b, c == inputs.end() ? nullptr : &c->second, threads));
    return tensors;
  }
};

class HostDevice : public Device {
 public:
  explicit HostDevice(int threads) : threads_(threads) {}

  DeviceIdentity identify() const override {
    return {cpu_name(),
            {{"isa", host::lane_ops().name}, {"threads", std::to_string(host::thread_count(threads_))}, {"compiler", __VERSION__}}};
  }

  Outcome run(const Spec& spec, const Tensors& given) override {
    require_memory(spec);
    const double begin = now_ms();
    Tensors made;
    const Tensors& inputs = materialize_inputs(spec, given, made, threads_);
    const double ready = now_ms();
    Outcome outcome;
    outcome.tensors = std::visit(Kernels{inputs, threads_}, spec.kernel);
    outcome.inputs_ms = ready - begin;
    outcome.kernel_ms = now_ms() - ready;
    return outcome;
  }

 private:
  int threads_;
};

}  // namespace

std::unique_ptr<Device> make_host_device(int threads) { return std::make_unique<HostDevice>(threads); }

}  // namespace fp8lab
