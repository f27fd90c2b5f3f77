#pragma once
// safetensors files, as strictly as src/tensors/header.ts and with the same error codes.

#include <map>
#include <string>
#include <vector>

#include "tensor.h"

namespace fp8lab {

/** Where a tensor lies in its file: byte range [begin, end). */
struct TensorEntry {
  DType dtype;
  std::vector<i64> shape;
  i64 begin;
  i64 end;
  /** Codes of a packed dtype that lie unpacked, a byte or (E5M6) two a code. */
  bool unpacked = false;
};

/** A parsed header. */
struct Header {
  std::map<std::string, TensorEntry> entries;
  std::map<std::string, std::string> metadata;
};

/** Longest header that is read, in bytes: the limit of the format's own reader. */
inline constexpr u64 largest_header = 100'000'000;

/** Parses a header's bytes (without the length before them) of a file of `file_size` bytes. */
Header parse_header(const std::string& text, const std::string& file, i64 file_size);

/** One tensor of a file. */
Tensor read_tensor(const std::string& path, const std::string& name);

/** Every tensor of a file. */
Tensors read_tensors(const std::string& path);

/** How codes of F4, F6 and E5M6 lie in a file. */
enum class Packing {
  /** As safetensors has them; a tensor of F4 or F6 must fill whole bytes. */
  packed,
  /** A byte or two a code, as U8 and U16, the dtypes named in the metadata `fp8lab.lanes`: for the way between the command line and this runner. */
  lanes
};

/** Writes tensors whole or not at all: under a temporary name, made durable, renamed. The same tensors give the same bytes. */
void write_tensors(const std::string& path, const Tensors& tensors, const std::map<std::string, std::string>& metadata, Packing packing = Packing::packed);

}  // namespace fp8lab
