#include "safetensors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>

#include "../errors.h"
#include "packing.h"

namespace fp8lab {

namespace {

using Json = nlohmann::json;

Error read_failed(const std::string& path, int code) {
  const bool missing = code == ENOENT || code == ENOTDIR;
  const bool denied = code == EACCES || code == EPERM;
  return input_error(missing  ? "missing-file"
                     : denied ? "permission-denied"
                              : "read-failed",
                     std::strerror(code), path, "check the path and its permissions");
}

Error write_failed(const std::string& path, int code) {
  const bool full = code == ENOSPC || code == EDQUOT || code == EFBIG;
  const bool read_only = code == EROFS || code == EACCES || code == EPERM;
  const bool missing = code == ENOENT || code == ENOTDIR;
  return Error(ErrorKind::environment,
               full        ? "disk-full"
               : read_only ? "read-only"
               : missing   ? "missing-folder"
                           : "write-failed",
               std::strerror(code), path,
               full ? "free space or write elsewhere, then run again" : "write elsewhere, or make the folder first");
}

/** An open file, closed at the end of its scope. */
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

/** A file opened for reading with its parsed header. Pipes and devices are refused, not waited on. */
class InputFile {
 public:
  explicit InputFile(const std::string& path) : path_(path), fd_(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {
    if (fd_.get() < 0) throw read_failed(path, errno);
    struct stat status {};
    if (::fstat(fd_.get(), &status) != 0) throw read_failed(path, errno);
    if (!S_ISREG(status.st_mode))
      throw input_error("not-a-file", S_ISDIR(status.st_mode) ? "this is a folder" : "not a regular file", path,
                        "name a .safetensors file");
    const i64 size = status.st_size;
    if (size < 8) throw input_error("truncated-header", "too small to be a safetensors file", path + ", byte 0", fetch_again);
    u64 length = 0;
    read(reinterpret_cast<u8*>(&length), 0, 8);
    if (length > largest_header) {
      throw input_error("header-too-large", "the header says it is " + std::to_string(length) + " bytes long; at most 100000000 are read",
                        path + ", byte 0", "check that this is a safetensors file");
    }
    if (8 + static_cast<i64>(length) > size)
      throw input_error("truncated-header", "the header is longer than the file", path + ", byte 0", fetch_again);
    std::string text(length, ' ');
    read(reinterpret_cast<u8*>(text.data()), 8, static_cast<i64>(length));
    header = parse_header(text, path, size);
  }

  Tensor tensor(const TensorEntry& entry) const {
    Tensor result = allocate(entry.dtype, entry.shape);
    if (fills_lanes(entry.dtype) || entry.unpacked) {
      read(result.lanes.data(), entry.begin, entry.end - entry.begin);
      return result;
    }
    std::vector<u8> bytes(static_cast<std::size_t>(entry.end - entry.begin));
    read(bytes.data(), entry.begin, entry.end - entry.begin);
    unpack(bytes.data(), entry.dtype, result.lanes);
    return result;
  }

  Header header;

 private:
  void read(u8* to, i64 offset, i64 count) const {
    while (count > 0) {
      const ssize_t got = ::pread(fd_.get(), to, static_cast<std::size_t>(std::min(count, i64{1} << 30)), offset);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw read_failed(path_, errno);
      if (got == 0) throw input_error("truncated-data", "the file ended while it was read", path_, fetch_again);
      to += got, offset += got, count -= got;
    }
  }

  std::string path_;
  Descriptor fd_;
};

/** The shape that E5M6 has in a file, as U8: packed along the last axis where that fills whole groups of eight, else flat. */
std::vector<i64> e5m6_file_shape(const std::vector<i64>& shape) {
  if (shape.empty() || shape.back() % 8 != 0) return {packed_bytes(DType::E5M6, element_count(shape))};
  std::vector<i64> packed = shape;
  packed.back() = packed.back() / 8 * 12;
  return packed;
}

/** A tensor on its way into a file, and the dtype and bytes it has there. */
struct Stored {
  std::string name;
  const Tensor* tensor;
  DType dtype;
  bool packs;
  i64 bytes;
};

Stored stored(const std::string& name, const Tensor& tensor, Packing packing) {
  const bool packs = packing == Packing::packed && !fills_lanes(tensor.dtype);
  if (packs)
    return {name, &tensor, tensor.dtype == DType::E5M6 ? DType::U8 : tensor.dtype, true, packed_bytes(tensor.dtype, tensor.lanes.count())};
  return {name, &tensor, fills_lanes(tensor.dtype) ? tensor.dtype : lane_dtype(tensor.dtype), false, tensor.lanes.bytes()};
}

/** Tensors as they go into a file: widest dtype first, so that all are aligned, then by name. */
std::vector<Stored> file_order(const Tensors& tensors, Packing packing) {
  std::vector<Stored> order;
  for (const auto& [name, tensor] : tensors) {
    order.push_back(stored(name, tensor, packing));
    const bool whole = tensor.lanes.count() * info_of(tensor.dtype).bits % 8 == 0;
    if (order.back().packs && tensor.dtype != DType::E5M6 && !whole) {
      throw input_error("ragged-bits", "tensor " + name + " of " + std::string(info_of(tensor.dtype).name) + " does not fill whole bytes",
                        name, "safetensors cannot hold it; use a shape with an even number of F4, or a multiple of 4 F6 codes");
    }
  }
  std::stable_sort(order.begin(), order.end(),
                   [](const Stored& a, const Stored& b) { return info_of(a.dtype).bits > info_of(b.dtype).bits; });
  return order;
}

std::string header_bytes(const std::vector<Stored>& order, std::map<std::string, std::string> metadata) {
  using Ordered = nlohmann::ordered_json;
  Ordered e5m6 = Ordered::object(), lanes = Ordered::object();
  std::string entries;
  i64 end = 0;
  for (const Stored& item : order) {
    const Tensor& tensor = *item.tensor;
    const bool packed_e5m6 = item.packs && tensor.dtype == DType::E5M6;
    if (packed_e5m6) e5m6[item.name] = tensor.shape;
    if (!item.packs && item.dtype != tensor.dtype) lanes[item.name] = info_of(tensor.dtype).name;
    Ordered entry;
    entry["dtype"] = info_of(item.dtype).name;
    entry["shape"] = packed_e5m6 ? e5m6_file_shape(tensor.shape) : tensor.shape;
    const i64 begin = end;
    end += item.bytes;
    entry["data_offsets"] = {begin, end};
    entries += (entries.empty() ? "" : ",") + Json(item.name).dump() + ":" + entry.dump();
  }
  if (!e5m6.empty()) metadata[e5m6_key] = e5m6.dump();
  if (!lanes.empty()) metadata[lanes_key] = lanes.dump();
  std::string text = metadata.empty() ? "{" : "{\"__metadata__\":" + Json(metadata).dump() + (entries.empty() ? "" : ",");
  text += entries + "}";
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const u64 length = text.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + text;
}

void write_all(int fd, const u8* bytes, i64 count, const std::string& path) {
  while (count > 0) {
    const ssize_t done = ::write(fd, bytes, static_cast<std::size_t>(std::min(count, i64{1} << 30)));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) throw write_failed(path, errno);
    bytes += done, count -= done;
  }
}

void write_tensor(int fd, const Stored& item, const std::string& path) {
  if (!item.packs) {
    write_all(fd, item.tensor->lanes.data(), item.bytes, path);
    return;
  }
  std::vector<u8> bytes(static_cast<std::size_t>(item.bytes));
  pack(item.tensor->lanes, item.tensor->dtype, bytes.data());
  write_all(fd, bytes.data(), item.bytes, path);
}

/** Removes the temporary file of a write that failed. */
struct Cleanup {
  std::string path;
  bool armed = true;
  ~Cleanup() {
    if (armed) ::unlink(path.c_str());
  }
};

}  // namespace

Tensor read_tensor(const std::string& path, const std::string& name) {
  const InputFile file(path);
  const auto found = file.header.entries.find(name);
  if (found == file.header.entries.end()) {
    throw input_error("missing-tensor", "no tensor " + short_name(name) + " in the file", path,
                      "name a tensor of the file; `fp8lab inspect` lists them");
  }
  return file.tensor(found->second);
}

Tensors read_tensors(const std::string& path) {
  const InputFile file(path);
  Tensors tensors;
  for (const auto& [name, entry] : file.header.entries) tensors.emplace(name, file.tensor(entry));
  return tensors;
}

void write_tensors(const std::string& path, const Tensors& tensors, const std::map<std::string, std::string>& metadata, Packing packing) {
  const std::vector<Stored> order = file_order(tensors, packing);
  const std::filesystem::path target(path);
  // A rename would put a file in the place of a device, a pipe or a folder.
  std::error_code ignored;
  const auto status = std::filesystem::symlink_status(target, ignored);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status) && !std::filesystem::is_symlink(status)) {
    throw Error(ErrorKind::environment, "not-a-file", "there is something of this name that is no file", path, "name a file");
  }
  const std::string unique = std::to_string(::getpid()) + "." + std::to_string(std::random_device{}());
  const std::string temporary = (target.parent_path() / ("." + target.filename().string() + "." + unique + ".partial")).string();
  const Descriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (fd.get() < 0) throw write_failed(path, errno);
  Cleanup cleanup{temporary};
  const std::string header = header_bytes(order, metadata);
  write_all(fd.get(), reinterpret_cast<const u8*>(header.data()), static_cast<i64>(header.size()), path);
  for (const Stored& item : order) write_tensor(fd.get(), item, path);
  if (::fsync(fd.get()) != 0 && errno != EINVAL) throw write_failed(path, errno);
  if (::rename(temporary.c_str(), path.c_str()) != 0) throw write_failed(path, errno);
  cleanup.armed = false;
}

}  // namespace fp8lab
