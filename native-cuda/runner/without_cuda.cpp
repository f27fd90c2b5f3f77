// Stands for kernels/cuda/ where the binary is built without nvcc.

#include "../errors.h"
#include "../kernels/device.h"

namespace fp8lab {

std::unique_ptr<Device> make_cuda_device() {
  throw Error(ErrorKind::environment, "no-cuda-build", "this fp8lab-native was built without CUDA", "native:cuda",
              "install the CUDA toolkit (12.9 or later) so that nvcc is on PATH, then run `node scripts/build-native.mjs`");
}

}  // namespace fp8lab
