#pragma once
// safetensors files on disk.

#include <map>
#include <string>

#include "header.h"

namespace fp8lab {

/** One tensor of a file. */
Tensor read_tensor(const std::string& path, const std::string& name);

/** Every tensor of a file. */
Tensors read_tensors(const std::string& path);

/** How codes of F4, F6 and E5M6 lie in a file. */
enum class Packing {
  /** As safetensors has them; a tensor of F4 or F6 must fill whole bytes. */
  packed,
  /** A byte or two a code, as U8 and U16, the dtypes named in the metadata `fp8lab.lanes`: for the way between the command line and this
     runner. */
  lanes
};

/** Writes tensors whole or not at all: under a temporary name, made durable, renamed. The same tensors give the same bytes. */
void write_tensors(const std::string& path, const Tensors& tensors, const std::map<std::string, std::string>& metadata,
                   Packing packing = Packing::packed);

}  // namespace fp8lab
