#include "describe.h"

#include <fstream>
#include <iostream>
#include <iterator>

#include "../errors.h"
#include "../tensors/packing.h"
#include "../tensors/sha256.h"

namespace fp8lab {

using Json = nlohmann::ordered_json;

namespace {

constexpr std::size_t largest_spec = 1 << 24;

}  // namespace

std::string read_text(const std::string& path) {
  std::ifstream file;
  if (path != "-") {
    file.open(path, std::ios::binary);
    if (!file) throw input_error("missing-file", "cannot open the spec", path, "check the path");
  }
  std::istream& stream = path == "-" ? std::cin : file;
  std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (stream.bad()) throw input_error("read-failed", "cannot read the spec", path, "check that it is a file");
  if (text.size() > largest_spec) throw input_error("spec-too-large", "the spec has more than 16 MiB", path, "check that this is a spec");
  return text;
}

namespace {

/** SHA-256 of a tensor's bytes as a file holds them. */
std::string digest(const Tensor& tensor) {
  Sha256 hash;
  if (fills_lanes(tensor.dtype)) {
    hash.add(tensor.lanes.data(), tensor.lanes.bytes());
  } else {
    std::vector<u8> bytes(static_cast<std::size_t>(packed_bytes(tensor.dtype, tensor.lanes.count())));
    pack(tensor.lanes, tensor.dtype, bytes.data());
    hash.add(bytes.data(), static_cast<i64>(bytes.size()));
  }
  return hash.hex();
}

}  // namespace

Json describe(const Tensors& tensors, bool with_digest) {
  Json json = Json::object();
  for (const auto& [name, tensor] : tensors) {
    json[name] = {{"dtype", info_of(tensor.dtype).name}, {"shape", tensor.shape}};
    if (with_digest) json[name]["sha256"] = digest(tensor);
  }
  return json;
}

}  // namespace fp8lab
