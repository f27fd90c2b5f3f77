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
#include <set>

#include "../errors.h"
#include "packing.h"

namespace fp8lab {

namespace {

using Json = nlohmann::json;

constexpr const char* fetch_again = "the file was cut or is no safetensors file; fetch it again";
constexpr const char* write_anew = "write the file anew with a safetensors library";
constexpr const char* e5m6_key = "fp8lab.e5m6";
constexpr const char* lanes_key = "fp8lab.lanes";

std::string short_name(const std::string& name) {
  const std::string text = Json(name).dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() <= 82 ? text : text.substr(0, 60) + "..." + text.substr(text.size() - 20);
}

/** Parses JSON, refusing what a parser would let pass: a key that stands twice, and numbers that are not unsigned integers. */
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  HeaderReader(const std::string& file) : file_(file) {}

  Json read(const std::string& text) {
    if (text.empty() || text[0] != '{') throw input_error("header-not-json", "the header does not begin with {", file_ + ", byte 8", fetch_again);
    nlohmann::detail::json_sax_dom_parser<Json> builder(root_);
    builder_ = &builder;
    Json::sax_parse(text, this);
    return std::move(root_);
  }

  bool null() override { return builder_->null(); }
  bool boolean(bool value) override { return builder_->boolean(value); }
  bool number_integer(number_integer_t value) override { return bad_number(std::to_string(value)); }
  bool number_unsigned(number_unsigned_t value) override { return builder_->number_unsigned(value); }
  bool number_float(number_float_t, const string_t& text) override {
    // Digits alone are an integer too large for 64 bits: what reads it refuses it.
    if (text.find_first_not_of("0123456789") == std::string::npos) return builder_->number_unsigned(~number_unsigned_t{0});
    return bad_number(text);
  }
  bool string(string_t& value) override { return builder_->string(value); }
  bool binary(binary_t& value) override { return builder_->binary(value); }
  bool start_object(std::size_t size) override {
    keys_.emplace_back();
    return builder_->start_object(size);
  }
  bool key(string_t& name) override {
    if (!keys_.back().insert(name).second) throw input_error("duplicate-key", "the key " + short_name(name) + " stands twice", file_, write_anew);
    if (name == "__proto__") throw input_error("forbidden-name", "a key is named __proto__", file_, write_anew);
    return builder_->key(name);
  }
  bool end_object() override {
    keys_.pop_back();
    return builder_->end_object();
  }
  bool start_array(std::size_t size) override { return builder_->start_array(size); }
  bool end_array() override { return builder_->end_array(); }
  bool parse_error(std::size_t at, const std::string&, const Json::exception& error) override {
    const std::string where = file_ + ", byte " + std::to_string(8 + at);
    // The library tells bad UTF-8 apart from bad JSON by its text alone.
    const bool utf8 = std::string(error.what()).find("UTF-8") != std::string::npos;
    throw input_error(utf8 ? "header-not-utf8" : "header-not-json", "the header is not JSON: " + std::string(error.what()).substr(0, 120), where, fetch_again);
  }

 private:
  bool bad_number(const std::string& text) const {
    throw input_error("bad-number", text.substr(0, 40) + " is no unsigned integer", file_, write_anew);
  }

  const std::string& file_;
  Json root_;
  nlohmann::detail::json_sax_dom_parser<Json>* builder_ = nullptr;
  std::vector<std::set<std::string>> keys_;
};

Error bad_entry(const std::string& code, const std::string& problem, const std::string& where) { return input_error(code, problem, where, write_anew); }

/** A list of unsigned integers below 2^53, as JavaScript reads them too. */
bool read_extents(const Json& value, std::vector<i64>& extents) {
  if (!value.is_array()) return false;
  for (const Json& item : value) {
    if (!item.is_number_unsigned() || item.get<u64>() >= u64{1} << 53) return false;
    extents.push_back(item.get<i64>());
  }
  return true;
}

struct FileDType {
  std::string_view name;
  DType dtype;
  int bits;
};

/** Every dtype of the format, those of 64 bits too: a file may hold them beside what is asked for. */
bool find_dtype(const std::string& name, FileDType& found) {
  for (int i = 0; i <= static_cast<int>(DType::I32); i++) {
    const DType dtype = static_cast<DType>(i);
    if (dtype == DType::E5M6 || info_of(dtype).name != name) continue;
    found = {info_of(dtype).name, dtype, info_of(dtype).bits};
    return true;
  }
  return false;
}

bool is_wide_dtype(const std::string& name) { return name == "F64" || name == "U64" || name == "I64"; }

/** Bits of a shape, or false where they pass 2^62: no file is that long. */
bool bits_of_shape(const std::vector<i64>& shape, int element_bits, i64& bits) {
  bits = element_bits;
  bool overflow = false;
  for (const i64 extent : shape) overflow = __builtin_mul_overflow(bits, extent, &bits) || overflow;
  const bool empty = std::find(shape.begin(), shape.end(), 0) != shape.end();
  if (empty) bits = 0;
  return empty || (!overflow && bits < i64{1} << 62);
}

struct RawEntry {
  std::string name;
  TensorEntry entry;
  bool wide;
};

RawEntry read_entry(const std::string& name, const Json& value, const std::string& file) {
  const std::string where = file + ", tensor " + short_name(name);
  if (!value.is_object()) throw bad_entry("bad-tensor-entry", "a tensor is not described by an object", where);
  if (value.size() != 3 || !value.contains("dtype") || !value.contains("shape") || !value.contains("data_offsets")) {
    throw bad_entry("bad-tensor-entry", "the fields of a tensor are not data_offsets, dtype, shape", where);
  }
  const Json& dtype = value["dtype"];
  FileDType found{"", DType::U8, 64};
  const bool wide = dtype.is_string() && is_wide_dtype(dtype.get<std::string>());
  if (!dtype.is_string() || (!wide && !find_dtype(dtype.get<std::string>(), found))) {
    throw bad_entry("unknown-dtype", "unknown dtype " + short_name(dtype.is_string() ? dtype.get<std::string>() : dtype.dump()), where);
  }
  TensorEntry entry{found.dtype, {}, 0, 0};
  if (!read_extents(value["shape"], entry.shape)) throw bad_entry("bad-shape", "shape is not a list of unsigned integers below 2^53", where);
  std::vector<i64> offsets;
  if (!read_extents(value["data_offsets"], offsets) || offsets.size() != 2) throw bad_entry("bad-offsets", "data_offsets is not [begin, end]", where);
  entry.begin = offsets[0];
  entry.end = offsets[1];
  if (entry.begin > entry.end) throw bad_entry("bad-offsets", "data_offsets begin after their end", where);
  i64 bits = 0;
  if (!bits_of_shape(entry.shape, found.bits, bits) || bits != (entry.end - entry.begin) * 8) {
    throw bad_entry("size-mismatch", "shape " + shape_text(entry.shape).substr(0, 80) + " does not take the " + std::to_string(entry.end - entry.begin) +
                                         " bytes that data_offsets give", where);
  }
  return {name, entry, wide};
}

void require_gapless(std::vector<RawEntry>& entries, i64 data_begin, i64 file_size, const std::string& file) {
  std::sort(entries.begin(), entries.end(), [](const RawEntry& a, const RawEntry& b) {
    return a.entry.begin != b.entry.begin ? a.entry.begin < b.entry.begin : a.entry.end < b.entry.end;
  });
  i64 previous = 0;
  for (const RawEntry& raw : entries) {
    const std::string where = file + ", tensor " + short_name(raw.name);
    if (raw.entry.begin < previous) throw bad_entry("overlap", "data begins inside the tensor before it", where);
    if (raw.entry.begin > previous) throw bad_entry("gap", std::to_string(raw.entry.begin - previous) + " bytes belong to no tensor", where);
    previous = raw.entry.end;
  }
  const i64 end = data_begin + previous;
  if (end == file_size) return;
  const std::string where = file + ", byte " + std::to_string(std::min(end, file_size));
  if (end > file_size) {
    throw input_error("truncated-data", "the tensors end at byte " + std::to_string(end) + ", the file at " + std::to_string(file_size), where, fetch_again);
  }
  throw input_error("trailing-bytes", std::to_string(file_size - end) + " bytes follow the last tensor", where, fetch_again);
}

std::map<std::string, std::string> read_metadata(const Json& value, const std::string& file) {
  std::map<std::string, std::string> metadata;
  if (!value.is_object()) throw input_error("bad-metadata", "__metadata__ is not an object of strings", file, write_anew);
  for (const auto& [key, item] : value.items()) {
    if (!item.is_string()) throw input_error("bad-metadata", "__metadata__ is not an object of strings", file, write_anew);
    metadata[key] = item.get<std::string>();
  }
  return metadata;
}

/** The dtype of a packed dtype's lanes. */
DType lane_dtype(DType dtype) { return dtype == DType::E5M6 ? DType::U16 : DType::U8; }

/** Gives U8 tensors that the metadata names as packed E5M6 their logical dtype and shape. */
void mark_e5m6(Header& header, const std::string& file) {
  const auto listed = header.metadata.find(e5m6_key);
  if (listed == header.metadata.end()) return;
  const auto refuse = [&] {
    return input_error("bad-metadata", "the list of E5M6 tensors is wrong", file,
                       std::string(e5m6_key) + " must be JSON of tensor name to shape, each a U8 tensor of as many packed bytes");
  };
  const Json shapes = Json::parse(listed->second, nullptr, false);
  if (!shapes.is_object()) throw refuse();
  for (const auto& [name, value] : shapes.items()) {
    const auto entry = header.entries.find(name);
    std::vector<i64> shape;
    i64 bits = 0;
    if (entry == header.entries.end() || entry->second.dtype != DType::U8 || !read_extents(value, shape) || !bits_of_shape(shape, 12, bits)) throw refuse();
    if (packed_bytes(DType::E5M6, element_count(shape)) != entry->second.end - entry->second.begin) throw refuse();
    entry->second.dtype = DType::E5M6;
    entry->second.shape = shape;
  }
}

/** Gives U8 and U16 tensors that the metadata names as lanes of a packed dtype that dtype. */
void mark_lanes(Header& header, const std::string& file) {
  const auto listed = header.metadata.find(lanes_key);
  if (listed == header.metadata.end()) return;
  const Json dtypes = Json::parse(listed->second, nullptr, false);
  const auto refuse = [&] {
    return input_error("bad-metadata", "the list of unpacked tensors is wrong", file, std::string(lanes_key) + " must be JSON of tensor name to F4, F6_* or E5M6");
  };
  if (!dtypes.is_object()) throw refuse();
  for (const auto& [name, value] : dtypes.items()) {
    const auto entry = header.entries.find(name);
    if (entry == header.entries.end() || !value.is_string()) throw refuse();
    bool known = false;
    for (const DType dtype : {DType::F4, DType::F6_E2M3, DType::F6_E3M2, DType::E5M6}) {
      if (info_of(dtype).name != value.get<std::string>() || entry->second.dtype != lane_dtype(dtype)) continue;
      entry->second.dtype = dtype;
      entry->second.unpacked = known = true;
    }
    if (!known) throw refuse();
  }
}

Error read_failed(const std::string& path, int code) {
  const bool missing = code == ENOENT || code == ENOTDIR;
  const bool denied = code == EACCES || code == EPERM;
  return input_error(missing ? "missing-file" : denied ? "permission-denied" : "read-failed", std::strerror(code), path, "check the path and its permissions");
}

Error write_failed(const std::string& path, int code) {
  const bool full = code == ENOSPC || code == EDQUOT || code == EFBIG;
  const bool read_only = code == EROFS || code == EACCES || code == EPERM;
  const bool missing = code == ENOENT || code == ENOTDIR;
  return Error(ErrorKind::environment, full ? "disk-full" : read_only ? "read-only" : missing ? "missing-folder" : "write-failed", std::strerror(code), path,
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
    if (!S_ISREG(status.st_mode)) throw input_error("not-a-file", S_ISDIR(status.st_mode) ? "this is a folder" : "not a regular file", path, "name a .safetensors file");
    const i64 size = status.st_size;
    if (size < 8) throw input_error("truncated-header", "too small to be a safetensors file", path + ", byte 0", fetch_again);
    u64 length = 0;
    read(reinterpret_cast<u8*>(&length), 0, 8);
    if (length > largest_header) {
      throw input_error("header-too-large", "the header says it is " + std::to_string(length) + " bytes long; at most 100000000 are read", path + ", byte 0",
                        "check that this is a safetensors file");
    }
    if (8 + static_cast<i64>(length) > size) throw input_error("truncated-header", "the header is longer than the file", path + ", byte 0", fetch_again);
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
  if (packs) return {name, &tensor, tensor.dtype == DType::E5M6 ? DType::U8 : tensor.dtype, true, packed_bytes(tensor.dtype, tensor.lanes.count())};
  return {name, &tensor, fills_lanes(tensor.dtype) ? tensor.dtype : lane_dtype(tensor.dtype), false, tensor.lanes.bytes()};
}

/** Tensors as they go into a file: widest dtype first, so that all are aligned, then by name. */
std::vector<Stored> file_order(const Tensors& tensors, Packing packing) {
  std::vector<Stored> order;
  for (const auto& [name, tensor] : tensors) {
    order.push_back(stored(name, tensor, packing));
    const bool whole = tensor.lanes.count() * info_of(tensor.dtype).bits % 8 == 0;
    if (order.back().packs && tensor.dtype != DType::E5M6 && !whole) {
      throw input_error("ragged-bits", "tensor " + name + " of " + std::string(info_of(tensor.dtype).name) + " does not fill whole bytes", name,
                        "safetensors cannot hold it; use a shape with an even number of F4, or a multiple of 4 F6 codes");
    }
  }
  std::stable_sort(order.begin(), order.end(), [](const Stored& a, const Stored& b) { return info_of(a.dtype).bits > info_of(b.dtype).bits; });
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

Header parse_header(const std::string& text, const std::string& file, i64 file_size) {
  const Json json = HeaderReader(file).read(text);
  Header header;
  std::vector<RawEntry> entries;
  for (const auto& [name, value] : json.items()) {
    if (name == "__metadata__") {
      header.metadata = read_metadata(value, file);
    } else {
      entries.push_back(read_entry(name, value, file));
    }
  }
  const i64 data_begin = 8 + static_cast<i64>(text.size());
  require_gapless(entries, data_begin, file_size, file);
  for (RawEntry& raw : entries) {
    raw.entry.begin += data_begin;
    raw.entry.end += data_begin;
    // No kernel reads dtypes of 64 bits: such tensors are as if they were not there.
    if (!raw.wide) header.entries.emplace(raw.name, raw.entry);
  }
  mark_e5m6(header, file);
  mark_lanes(header, file);
  return header;
}

Tensor read_tensor(const std::string& path, const std::string& name) {
  const InputFile file(path);
  const auto found = file.header.entries.find(name);
  if (found == file.header.entries.end()) {
    throw input_error("missing-tensor", "no tensor " + short_name(name) + " in the file", path, "name a tensor of the file; `fp8lab inspect` lists them");
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
