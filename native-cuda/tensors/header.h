#pragma once
// Headers of safetensors files, read as strictly as src/tensors/header.ts does and with the same error codes.

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

/** Metadata key that lists E5M6 tensors, which safetensors has no name for: JSON of tensor name to logical shape; they lie packed as U8. */
inline constexpr const char* e5m6_key = "fp8lab.e5m6";

/** Metadata key that lists tensors of packed dtypes that lie unpacked, as U8 or U16: JSON of tensor name to dtype. */
inline constexpr const char* lanes_key = "fp8lab.lanes";

/** What to do about a file that is not whole. */
inline constexpr const char* fetch_again = "the file was cut or is no safetensors file; fetch it again";

/** A tensor's name fit for a message: shortened, control characters escaped. */
std::string short_name(const std::string& name);

/** The dtype of a packed dtype's lanes. */
DType lane_dtype(DType dtype);

/** Parses a header's bytes (without the length before them) of a file of `file_size` bytes. */
Header parse_header(const std::string& text, const std::string& file, i64 file_size);

}  // namespace fp8lab
