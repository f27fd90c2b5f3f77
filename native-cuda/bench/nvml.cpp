#include "nvml.h"

#include <cuda_runtime.h>
#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

namespace fp8lab::bench {

namespace {

/** The functions of libnvidia-ml.so.1 used here, by their C prototypes; all return 0 for success. */
struct Nvml {
  int (*init)() = nullptr;
  int (*handle)(const char*, void**) = nullptr;
  int (*clock)(void*, int, unsigned*) = nullptr;
  int (*power)(void*, unsigned*) = nullptr;
  int (*temperature)(void*, int, unsigned*) = nullptr;
  void* device = nullptr;

  Nvml() {
    void* library = dlopen("libnvidia-ml.so.1", RTLD_NOW);
    if (library == nullptr) return;
    init = reinterpret_cast<decltype(init)>(dlsym(library, "nvmlInit_v2"));
    handle = reinterpret_cast<decltype(handle)>(dlsym(library, "nvmlDeviceGetHandleByPciBusId_v2"));
    clock = reinterpret_cast<decltype(clock)>(dlsym(library, "nvmlDeviceGetClockInfo"));
    power = reinterpret_cast<decltype(power)>(dlsym(library, "nvmlDeviceGetPowerUsage"));
    temperature = reinterpret_cast<decltype(temperature)>(dlsym(library, "nvmlDeviceGetTemperature"));
    char bus[32];
    // NVML numbers all devices, CUDA the visible ones: the bus address names the same one in both.
    if (init == nullptr || handle == nullptr || init() != 0 || cudaDeviceGetPCIBusId(bus, sizeof bus, 0) != cudaSuccess || handle(bus, &device) != 0) device = nullptr;
  }
};

Nvml& nvml() {
  static Nvml loaded;
  return loaded;
}

double median(std::vector<double>& values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

struct Sampler::State {
  std::atomic<bool> running{true};
  std::vector<double> clocks, powers, temperatures;
  std::thread thread;

  void sample() {
    constexpr int sm_clock = 1, gpu_sensor = 0;
    Nvml& library = nvml();
    while (running && library.device != nullptr) {
      unsigned value = 0;
      if (library.clock != nullptr && library.clock(library.device, sm_clock, &value) == 0) clocks.push_back(value);
      if (library.power != nullptr && library.power(library.device, &value) == 0) powers.push_back(value / 1000.0);
      if (library.temperature != nullptr && library.temperature(library.device, gpu_sensor, &value) == 0) temperatures.push_back(value);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
};

Sampler::Sampler() : state_(std::make_unique<State>()) {
  state_->thread = std::thread([this] { state_->sample(); });
}

Readings Sampler::stop() {
  state_->running = false;
  if (state_->thread.joinable()) state_->thread.join();
  const int samples = static_cast<int>(state_->clocks.size());
  return {median(state_->clocks), median(state_->powers), median(state_->temperatures), samples};
}

Sampler::~Sampler() { stop(); }

}  // namespace fp8lab::bench
