#include <cstdio>

#include "timing.h"

namespace fp8lab::bench {

Line& Line::text(const std::string& name, const std::string& value) {
  body_ += (body_.empty() ? "\"" : ",\"") + name + "\":\"" + value + "\"";
  return *this;
}

Line& Line::number(const std::string& name, double value) {
  char digits[48];
  std::snprintf(digits, sizeof digits, "%.9g", value);
  body_ += (body_.empty() ? "\"" : ",\"") + name + "\":" + digits;
  return *this;
}

Line& Line::times(const Measured& measured) {
  const std::pair<const char*, const Times*> regimes[] = {{"cold", &measured.cold}, {"hot", &measured.hot}, {"sustained", &measured.sustained}};
  for (const auto& [name, times] : regimes) {
    const std::string regime = name;
    number(regime + "Us", times->median).number(regime + "P10Us", times->p10).number(regime + "P90Us", times->p90).number(regime + "Runs", times->runs);
  }
  const Readings& r = measured.readings;
  return number("smClockMHz", r.sm_clock_mhz).number("powerW", r.power_w).number("temperatureC", r.temperature_c).number("samples", r.samples);
}

void Line::print() const {
  std::printf("{%s}\n", body_.c_str());
  std::fflush(stdout);
}

}  // namespace fp8lab::bench
