// Stands for moe/nccl.cpp where the binary is built without CUDA.

#include "../errors.h"
#include "../moe/nccl.h"

namespace fp8lab::moe {

std::unique_ptr<Transport> wire_of(Transport&, const std::string& name, int) {
  if (name == "host") return nullptr;
  if (name != "nccl") throw Error(ErrorKind::usage, "bad-value", "unknown value " + name + " of --transport", "--transport", "use host or nccl");
  throw Error(ErrorKind::environment, "no-cuda-build", "NCCL moves rows between GPUs, and this fp8lab-native was built without CUDA", "--transport",
              "install the CUDA toolkit (12.9 or later) and build again, or use --transport host");
}

}  // namespace fp8lab::moe
