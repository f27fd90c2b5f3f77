// fp8lab-bench: checks the device's fast kernels against its general ones, then times them. JSON lines on stdout, errors as JSON on stderr.

#include <cstdio>
#include <cstring>

#include "../kernels/device.h"
#include "bench.h"
#include "data.h"

namespace fp8lab::bench {

int multiprocessors() {
  int count = 0;
  cuda::check(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, 0), "cudaDeviceGetAttribute", "device 0");
  return count;
}

namespace {

constexpr const char* help =
    R"(fp8lab-bench check             fast kernels against the general ones, bit for bit
fp8lab-bench run               times: cold L2, hot, sustained; cuBLASLt beside ours where it is installed
  --every-tile                 every tile on every dense shape, the paired ones too
  --quick                      fewer runs and a short sustained part
)";

int main_checked(int count, char** words) {
  const std::string command = count > 1 ? words[1] : "";
  if (command != "check" && command != "run") {
    std::fputs(help, command == "-h" || command == "--help" ? stdout : stderr);
    return command == "-h" || command == "--help" ? 0 : 2;
  }
  Options options;
  bool every_tile = false;
  for (int i = 2; i < count; i++) {
    if (std::strcmp(words[i], "--quick") == 0) {
      options = {10, 0.2};
    } else if (std::strcmp(words[i], "--every-tile") == 0) {
      every_tile = true;
    } else {
      throw Error(ErrorKind::usage, "unknown-option", std::string("unknown option ") + words[i], "command line", "see `fp8lab-bench --help`");
    }
  }
  const DeviceIdentity identity = make_cuda_device()->identify();
  Line line;
  line.text("device", identity.adapter);
  for (const auto& [name, value] : identity.details) line.text(name, value);
  line.print();
  const bool quantizers = check_quantizers();
  if (!check_gemms() || !quantizers) return 1;
  if (command == "check") return 0;
  const double copy = copy_bandwidth();
  Line().text("kernel", "copy").number("bytesPerSecond", copy).print();
  bench_quantize(options, copy);
  bench_gemm(options, copy, every_tile);
  return 0;
}

}  // namespace

}  // namespace fp8lab::bench

int main(int count, char** words) {
  try {
    return fp8lab::bench::main_checked(count, words);
  } catch (const fp8lab::Error& error) {
    std::fprintf(stderr, "{\"code\":\"%s\",\"message\":\"%s\",\"where\":\"%s\",\"fix\":\"%s\"}\n", error.code.c_str(), error.what(), error.where.c_str(),
                 error.fix.c_str());
    return static_cast<int>(error.kind);
  }
}
