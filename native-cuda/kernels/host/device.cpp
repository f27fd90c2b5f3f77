// The host as a device.

#include "../device.h"

#include <chrono>
#include <fstream>

#include "../../errors.h"
#include "../inputs.h"
#include "compute.h"
#include "lanes.h"
#include "parallel.h"

namespace fp8lab {

namespace {

double now_ms() { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/** Bytes that a run holds at once, near enough: inputs, and what the kernel makes. */
i64 bytes_needed(const Spec& spec) {
  i64 bytes = std::visit([](const auto& kernel) { return host::bytes_made(kernel); }, spec.kernel);
  for (const InputDeclaration& input : declare_inputs(spec)) bytes += element_count(input.shape) * lane_bytes(input.dtype);
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
    outcome.tensors = std::visit([&](const auto& kernel) { return host::compute(kernel, inputs, threads_); }, spec.kernel);
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
