#pragma once
// Times of device work in three regimes, printed as JSON lines.

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "nvml.h"

namespace fp8lab::bench {

/** Microseconds of one launch. */
struct Times {
  double median = 0;
  double p10 = 0;
  double p90 = 0;
  int runs = 0;
};

/** Work timed in the regimes. `cold`: 256 MB written between launches, so that L2 holds nothing. `hot`: the same buffers again and again. `sustained`: two
 * seconds without a pause, clocks and power sampled meanwhile. */
struct Measured {
  Times cold;
  Times hot;
  Times sustained;
  Readings readings;
};

struct Options {
  int runs = 30;
  double sustained_seconds = 2;
};

using Work = std::function<void()>;

/** Launches go to the default stream. */
Measured measure(const Work& work, const Options& options);

/** Bytes a second of a large device-to-device copy, reads and writes counted. */
double copy_bandwidth();

/** Numbers and texts of a printed line, in order; `text` values are quoted. */
class Line {
 public:
  Line& text(const std::string& name, const std::string& value);
  Line& number(const std::string& name, double value);
  Line& times(const Measured& measured);
  void print() const;

 private:
  std::string body_;
};

}  // namespace fp8lab::bench
