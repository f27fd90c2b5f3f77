#pragma once
// Tensors to the device and back.

#include <string>
#include <vector>

#include "../../tensors/tensor.h"
#include "check.h"

namespace fp8lab::cuda {

/** A copy of `bytes` on the device. */
Buffer upload(const void* data, i64 bytes, const std::string& where);
/** A copy of `count` words. */
inline Buffer upload_words(const u32* words, i64 count, const std::string& where) { return upload(words, 4 * count, where); }
/** Waits for the device; a failed launch is thrown here. */
void finish(const std::string& where);
/** A buffer as a tensor; throws where the kernel wrote behind its end. */
Tensor download(const Buffer& buffer, DType dtype, std::vector<i64> shape, const std::string& where);

}  // namespace fp8lab::cuda
