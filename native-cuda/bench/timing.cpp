#include "timing.h"

#include <algorithm>
#include <chrono>

#include "../kernels/cuda/check.h"

namespace fp8lab::bench {

namespace {

using cuda::Buffer;
using cuda::check;

constexpr i64 flush_bytes = i64{256} << 20;

class Event {
 public:
  Event() { check(cudaEventCreate(&event_), "cudaEventCreate", "timing"); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  void record() { check(cudaEventRecord(event_), "cudaEventRecord", "timing"); }
  double microseconds_since(const Event& begin) const {
    float milliseconds = 0;
    check(cudaEventSynchronize(event_), "cudaEventSynchronize", "timing");
    check(cudaEventElapsedTime(&milliseconds, begin.event_, event_), "cudaEventElapsedTime", "timing");
    return milliseconds * 1000.0;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

Times summarize(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  const auto at = [&](double share) { return times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))]; };
  return {at(0.5), at(0.1), at(0.9), static_cast<int>(times.size())};
}

/** Mean time of one of `count` launches in a row: launch gaps and the events' half microsecond are spread over them. */
double batch(const Work& work, int count) {
  Event begin, end;
  begin.record();
  for (int i = 0; i < count; i++) work();
  end.record();
  return end.microseconds_since(begin) / count;
}

Times cold(const Work& work, int runs) {
  const Buffer flush(flush_bytes, "flush of L2");
  std::vector<double> times;
  for (int i = 0; i < runs; i++) {
    check(cudaMemsetAsync(flush.as(), i & 0xff, static_cast<std::size_t>(flush_bytes)), "cudaMemsetAsync", "flush of L2");
    times.push_back(batch(work, 1));
  }
  return summarize(times);
}

}  // namespace

Measured measure(const Work& work, const Options& options) {
  Measured measured;
  for (int i = 0; i < 5; i++) work();
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize", "warm-up");
  measured.cold = cold(work, options.runs);
  std::vector<double> times;
  for (int i = 0; i < options.runs; i++) times.push_back(batch(work, 20));
  measured.hot = summarize(times);
  times.clear();
  const int count = std::max(1, static_cast<int>(50000 / std::max(1.0, measured.hot.median)));
  Sampler sampler;
  const auto begin = std::chrono::steady_clock::now();
  do {
    times.push_back(batch(work, count));
  } while (std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() < options.sustained_seconds);
  measured.readings = sampler.stop();
  measured.sustained = summarize(times);
  return measured;
}

double copy_bandwidth() {
  constexpr i64 bytes = i64{1} << 30;
  const Buffer from(bytes, "copy"), to(bytes, "copy");
  const Work copy = [&] { check(cudaMemcpyAsync(to.as(), from.as(), static_cast<std::size_t>(bytes), cudaMemcpyDeviceToDevice), "cudaMemcpyAsync", "copy"); };
  for (int i = 0; i < 3; i++) copy();
  std::vector<double> times;
  for (int i = 0; i < 20; i++) times.push_back(batch(copy, 4));
  return 2.0 * static_cast<double>(bytes) / summarize(times).median * 1e6;
}

}  // namespace fp8lab::bench
