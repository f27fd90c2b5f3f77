#pragma once
// What the commands that run specs share: the device by its name, and the check of what it wrote.

#include <memory>
#include <string>

#include "../kernels/device.h"

namespace fp8lab {

/** The device of `--device`. Throws `unknown-device` (kind `usage`). */
std::unique_ptr<Device> make_device(const std::string& name, int threads);

/** Throws `wrote-past-end` where a kernel wrote behind the end of a result. */
void require_guards(const Tensors& tensors);

}  // namespace fp8lab
