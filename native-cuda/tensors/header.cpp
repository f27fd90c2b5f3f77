#include "header.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "../errors.h"
#include "packing.h"

namespace fp8lab {

namespace {

using Json = nlohmann::json;

constexpr const char* write_anew = "write the file anew with a safetensors library";

/** Parses JSON, refusing what a parser would let pass: a key that stands twice, and numbers that are not unsigned integers. */
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  HeaderReader(const std::string& file) : file_(file) {}

  Json read(const std::string& text) {
    if (text.empty() || text[0] != '{')
      throw input_error("header-not-json", "the header does not begin with {", file_ + ", byte 8", fetch_again);
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
    if (!keys_.back().insert(name).second)
      throw input_error("duplicate-key", "the key " + short_name(name) + " stands twice", file_, write_anew);
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
    throw input_error(utf8 ? "header-not-utf8" : "header-not-json", "the header is not JSON: " + std::string(error.what()).substr(0, 120),
                      where, fetch_again);
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

Error bad_entry(const std::string& code, const std::string& problem, const std::string& where) {
  return input_error(code, problem, where, write_anew);
}

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
  if (!read_extents(value["shape"], entry.shape))
    throw bad_entry("bad-shape", "shape is not a list of unsigned integers below 2^53", where);
  std::vector<i64> offsets;
  if (!read_extents(value["data_offsets"], offsets) || offsets.size() != 2)
    throw bad_entry("bad-offsets", "data_offsets is not [begin, end]", where);
  entry.begin = offsets[0];
  entry.end = offsets[1];
  if (entry.begin > entry.end) throw bad_entry("bad-offsets", "data_offsets begin after their end", where);
  i64 bits = 0;
  if (!bits_of_shape(entry.shape, found.bits, bits) || bits != (entry.end - entry.begin) * 8) {
    throw bad_entry("size-mismatch",
                    "shape " + shape_text(entry.shape).substr(0, 80) + " does not take the " + std::to_string(entry.end - entry.begin) +
                        " bytes that data_offsets give",
                    where);
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
    if (raw.entry.begin > previous)
      throw bad_entry("gap", std::to_string(raw.entry.begin - previous) + " bytes belong to no tensor", where);
    previous = raw.entry.end;
  }
  const i64 end = data_begin + previous;
  if (end == file_size) return;
  const std::string where = file + ", byte " + std::to_string(std::min(end, file_size));
  if (end > file_size) {
    throw input_error("truncated-data", "the tensors end at byte " + std::to_string(end) + ", the file at " + std::to_string(file_size),
                      where, fetch_again);
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
    if (entry == header.entries.end() || entry->second.dtype != DType::U8 || !read_extents(value, shape) || !bits_of_shape(shape, 12, bits))
      throw refuse();
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
    return input_error("bad-metadata", "the list of unpacked tensors is wrong", file,
                       std::string(lanes_key) + " must be JSON of tensor name to F4, F6_* or E5M6");
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

}  // namespace

std::string short_name(const std::string& name) {
  const std::string text = Json(name).dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() <= 82 ? text : text.substr(0, 60) + "..." + text.substr(text.size() - 20);
}

DType lane_dtype(DType dtype) { return dtype == DType::E5M6 ? DType::U16 : DType::U8; }

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

}  // namespace fp8lab
