#pragma once
// Clocks and power of device 0, by NVML where its library is on the machine. Reads only.

#include <memory>
#include <string>
#include <vector>

namespace fp8lab::bench {

/** Medians of what was sampled; 0 where nothing was. */
struct Readings {
  double sm_clock_mhz = 0;
  double power_w = 0;
  double temperature_c = 0;
  int samples = 0;
};

/** Samples every 20 ms on a thread of its own, from construction to `stop`. */
class Sampler {
 public:
  Sampler();
  ~Sampler();
  Readings stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fp8lab::bench
