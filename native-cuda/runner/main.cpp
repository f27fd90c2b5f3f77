// fp8lab-native: runs specs on the host's cores or a CUDA device. Results go to files and, as one JSON object, to stdout; errors, as one
// JSON object, to stderr. Exit codes as the fp8lab command line has them.

#include <csignal>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <new>
#include <nlohmann/json.hpp>

#include "../errors.h"
#include "commands.h"

namespace {

using fp8lab::Error;
using fp8lab::ErrorKind;

constexpr const char* help =
    R"(fp8lab-native run spec.json --device host --out result.safetensors
fp8lab-native run spec.json --device cuda --inputs inputs.safetensors --out result.safetensors
mpirun -np 8 fp8lab-native moe layer.json --out y.safetensors
fp8lab-native info
fp8lab-native exhaustive --format e4m3

Commands
  run SPEC         run a resolved spec ("-" reads it from stdin)
    --device host|cuda   what computes it; default host
    --inputs FILE        inputs under the tensor names of the contract, instead of the spec's generators
    --out FILE           write the results as safetensors
    --lanes              leave F4, F6 and E5M6 codes unpacked in FILE, a byte or two each
    --digest             add the SHA-256 of each result to the printed object
    --threads N          host threads; default all cores
  serve            run the specs of a stream of frames on stdin, answers on stdout, until it ends
    --device host|cuda   --threads N
  moe SPEC         a moe-layer over ranks: `mpirun -np N fp8lab-native moe SPEC`, each rank with its tokens and experts
    --ranks N            without MPI: N ranks as threads of this process
    --inputs FILE --out FILE --digest --threads N   as for run; threads of each rank, default 1
    --transport nccl --ctas N   rows go by NCCL, on N of a GPU's multiprocessors at most
  info             compiler, CPU, threads, CUDA device, as one JSON object
  exhaustive       encode all 2^32 f32 patterns; one SHA-256 for each 2^24 of them
    --function NAME      instead of an encoder: exp, sigmoid, log1p, softplus or sqrt, with the largest error
    --format NAME        e4m3 or e5m2
    --rounding NAME --overflow NAME   default nearest-even, saturate
    --chunks A-B         only these of the 256 chunks
    --threads N

Exit codes: 0 done, 2 usage, 3 environment, 4 bad input, 5 device.
)";

int report(const Error& error) {
  // Messages quote what was given, which need not be UTF-8.
  const nlohmann::ordered_json json = {{"code", error.code}, {"message", error.what()}, {"where", error.where}, {"fix", error.fix}};
  std::cerr << json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
  return static_cast<int>(error.kind);
}

int dispatch(int count, char** words) {
  const std::string command = count > 1 ? words[1] : "";
  if (command == "run") return fp8lab::run_command(count - 2, words + 2);
  if (command == "serve") return fp8lab::serve_command(count - 2, words + 2);
  if (command == "moe") return fp8lab::moe_command(count - 2, words + 2, report);
  if (command == "info") return fp8lab::info_command(count - 2, words + 2);
  if (command == "exhaustive") return fp8lab::exhaustive_command(count - 2, words + 2);
  if (command == "--help" || command == "-h" || command == "help") {
    std::cout << help;
    return 0;
  }
  const std::string problem = command.empty() ? "no command given" : "unknown command " + command;
  throw Error(ErrorKind::usage, "unknown-command", problem, "command line", "see `fp8lab-native --help`");
}

}  // namespace

int main(int count, char** words) {
  // A reader that went away is an error of the write, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return dispatch(count, words);
  } catch (const Error& error) {
    return report(error);
  } catch (const std::bad_alloc&) {
    return report(
        Error(ErrorKind::environment, "out-of-memory", "no memory left", "memory", "use a smaller shape, or a machine with more memory"));
  } catch (const std::exception& error) {
    return report(Error(ErrorKind::device, "internal-error", error.what(), "fp8lab-native", "report this with the spec that caused it"));
  }
}
