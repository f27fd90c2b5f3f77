// safetensors files: what is written is read back, what is wrong is refused with its code, and nothing is left half-written.

#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "../tensors/packing.h"
#include "../tensors/safetensors.h"
#include "../tensors/sha256.h"
#include "check.h"

namespace fp8lab::test {

namespace {

namespace fs = std::filesystem;

/** A folder of its own, removed at the end. */
struct Folder {
  fs::path path = fs::temp_directory_path() / ("fp8lab-native-test-" + std::to_string(::getpid()));
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  std::string file(const std::string& name) const { return (path / name).string(); }
};

std::string with_length(const std::string& header) {
  const u64 length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header;
}

void write(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Tensor random_tensor(DType dtype, std::vector<i64> shape, u64 seed) {
  Random random(seed);
  Tensor tensor = allocate(dtype, std::move(shape));
  const u32 mask = info_of(dtype).bits == 32 ? ~0u : (1u << info_of(dtype).bits) - 1;
  for (i64 i = 0; i < tensor.lanes.count(); i++) tensor.lanes.set(i, random.word() & mask);
  return tensor;
}

bool same(const Tensor& a, const Tensor& b) {
  return a.dtype == b.dtype && a.shape == b.shape &&
         std::memcmp(a.lanes.data(), b.lanes.data(), static_cast<std::size_t>(a.lanes.bytes())) == 0;
}

Tensors every_dtype(std::vector<i64> shape) {
  Tensors tensors;
  for (int i = 0; i <= static_cast<int>(DType::I32); i++) {
    const DType dtype = static_cast<DType>(i);
    tensors.emplace("t." + std::string(info_of(dtype).name), random_tensor(dtype, shape, static_cast<u64>(i)));
  }
  return tensors;
}

FP8LAB_TEST("files", "tensors of every dtype are read back as they were written, packed or unpacked") {
  const Folder folder;
  for (const auto& [packing, shape] : {std::pair{Packing::packed, std::vector<i64>{3, 16}},
                                       {Packing::packed, {5, 4}},
                                       {Packing::lanes, {3, 7}},
                                       {Packing::packed, {}},
                                       {Packing::packed, {0, 3}}}) {
    Tensors tensors = every_dtype(shape);
    // One F4 or F6 code does not fill a byte.
    if (shape.empty()) tensors.erase("t.F4"), tensors.erase("t.F6_E2M3"), tensors.erase("t.F6_E3M2");
    write_tensors(folder.file("a"), tensors, {{"note", "\"quoted\" \xc3\xa9"}}, packing);
    const Tensors again = read_tensors(folder.file("a"));
    check_equal(again.size(), tensors.size(), "tensors");
    for (const auto& [name, tensor] : tensors) check(same(tensor, again.at(name)), name + " of shape " + shape_text(shape) + " differs");
    write_tensors(folder.file("b"), again, {{"note", "\"quoted\" \xc3\xa9"}}, packing);
    check(read(folder.file("a")) == read(folder.file("b")), "the same tensors gave other bytes");
  }
}

FP8LAB_TEST("files", "codes that do not fill whole bytes are refused, not written") {
  const Folder folder;
  Tensors tensors;
  tensors.emplace("x", random_tensor(DType::F4, {3}, 1));
  check_equal(error_code([&] { write_tensors(folder.file("a"), tensors, {}); }), std::string("ragged-bits"), "error");
  check(fs::is_empty(folder.path), "something was written");
}

FP8LAB_TEST("files", "a write that fails leaves neither a file nor a part of one") {
  const Folder folder;
  const Tensors tensors = every_dtype({2, 8});
  check_equal(error_code([&] { write_tensors(folder.file("missing/a"), tensors, {}); }), std::string("missing-folder"), "no folder");
  fs::create_directories(folder.path / "taken" / "inside");
  check_equal(error_code([&] { write_tensors(folder.file("taken"), tensors, {}); }), std::string("not-a-file"), "a folder in the way");
  check_equal(::mkfifo(folder.file("pipe").c_str(), 0600), 0, "mkfifo");
  check_equal(error_code([&] { write_tensors(folder.file("pipe"), tensors, {}); }), std::string("not-a-file"), "a pipe in the way");
  check_equal(error_code([&] { read_tensors(folder.file("pipe")); }), std::string("not-a-file"), "a pipe to read");
  check_equal(static_cast<int>(std::distance(fs::directory_iterator(folder.path), {})), 2, "entries in the folder");
}

struct Refusal {
  const char* code;
  std::string header;
  i64 data;
};

FP8LAB_TEST("files", "a wrong header is refused with the code of its fault") {
  const std::string a = R"("a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]})";
  const Refusal refusals[] = {
      {"header-not-json", "", 0},
      {"header-not-json", " {}", 0},
      {"header-not-json", "{", 0},
      {"header-not-json", "{" + a + "} x", 4},
      {"header-not-json", "[" + std::string(100000, '[') + "]", 0},
      {"header-not-utf8", "{\"\xff\":1}", 0},
      {"duplicate-key", "{" + a + "," + a + "}", 4},
      {"duplicate-key", R"({"a":{"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 4},
      {"forbidden-name", R"({"__proto__":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 4},
      {"bad-number", R"({"a":{"dtype":"U8","shape":[-4],"data_offsets":[0,4]}})", 4},
      {"bad-number", R"({"a":{"dtype":"U8","shape":[4.0],"data_offsets":[0,4]}})", 4},
      {"bad-number", R"({"a":{"dtype":"U8","shape":[4e0],"data_offsets":[0,4]}})", 4},
      {"bad-shape", R"({"a":{"dtype":"U8","shape":[9007199254740992],"data_offsets":[0,4]}})", 4},
      {"bad-shape", R"({"a":{"dtype":"U8","shape":[99999999999999999999999],"data_offsets":[0,4]}})", 4},
      {"bad-shape", R"({"a":{"dtype":"U8","shape":"4","data_offsets":[0,4]}})", 4},
      {"bad-offsets", R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}})", 4},
      {"bad-offsets", R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0]}})", 4},
      {"size-mismatch", R"({"a":{"dtype":"U8","shape":[5],"data_offsets":[0,4]}})", 4},
      {"size-mismatch", R"({"a":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,4]}})", 4},
      {"size-mismatch", R"({"a":{"dtype":"F4","shape":[7],"data_offsets":[0,4]}})", 4},
      {"unknown-dtype", R"({"a":{"dtype":"F7","shape":[4],"data_offsets":[0,4]}})", 4},
      {"unknown-dtype", R"({"a":{"dtype":"E5M6","shape":[8],"data_offsets":[0,12]}})", 12},
      {"bad-tensor-entry", R"({"a":{"dtype":"U8","shape":[4]}})", 4},
      {"bad-tensor-entry", R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"more":1}})", 4},
      {"bad-tensor-entry", R"({"a":null})", 4},
      {"overlap", "{" + a + R"(,"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})", 4},
      {"gap", R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[1,5]}})", 5},
      {"truncated-data", "{" + a + "}", 3},
      {"trailing-bytes", "{" + a + "}", 5},
      {"bad-metadata", R"({"__metadata__":{"x":1}})", 0},
      {"bad-metadata", R"({"__metadata__":{"fp8lab.e5m6":"{\"a\":[9]}"},)" + a + "}", 4},
      {"bad-metadata", R"({"__metadata__":{"fp8lab.lanes":"{\"a\":\"E5M6\"}"},)" + a + "}", 4},
  };
  const Folder folder;
  for (const Refusal& refusal : refusals) {
    write(folder.file("a"), with_length(refusal.header) + std::string(static_cast<std::size_t>(refusal.data), 'x'));
    check_equal(error_code([&] { read_tensors(folder.file("a")); }), std::string(refusal.code), refusal.header.substr(0, 120));
  }
}

FP8LAB_TEST("files", "a file that is cut anywhere is refused") {
  const Folder folder;
  write_tensors(folder.file("whole"), every_dtype({2, 8}), {});
  const std::string whole = read(folder.file("whole"));
  for (std::size_t size = 0; size < whole.size(); size++) {
    write(folder.file("cut"), whole.substr(0, size));
    check(error_code([&] { read_tensors(folder.file("cut")); }) != "no error", "a file of " + std::to_string(size) + " bytes passed");
  }
  write(folder.file("long"), std::string("\xff\xff\xff\xff\xff\xff\xff\xff", 8) + whole);
  check_equal(error_code([&] { read_tensors(folder.file("long")); }), std::string("header-too-large"), "a header of 2^64 bytes");
  check_equal(error_code([&] { read_tensors(folder.file("missing")); }), std::string("missing-file"), "a missing file");
  check_equal(error_code([&] { read_tensors(folder.path.string()); }), std::string("not-a-file"), "a folder");
}

FP8LAB_TEST("files", "a header with any one byte changed is read or refused, never worse") {
  const Folder folder;
  write_tensors(folder.file("whole"), every_dtype({2, 8}), {{"k", "v"}});
  const std::string whole = read(folder.file("whole"));
  Random random(6);
  int refused = 0;
  for (int i = 0; i < 3000; i++) {
    std::string changed = whole;
    changed[random.word() % changed.size()] = static_cast<char>(random.word());
    write(folder.file("changed"), changed);
    refused += error_code([&] { read_tensors(folder.file("changed")); }) != "no error";
  }
  check(refused > 500, "hardly anything was refused");
}

FP8LAB_TEST("files", "SHA-256 gives the known answers, in parts and as a whole") {
  const auto hash = [](const std::string& text, i64 part) {
    Sha256 sha;
    for (std::size_t at = 0; at < text.size(); at += static_cast<std::size_t>(part)) {
      const std::string some = text.substr(at, static_cast<std::size_t>(part));
      sha.add(reinterpret_cast<const u8*>(some.data()), static_cast<i64>(some.size()));
    }
    return sha.hex();
  };
  check_equal(hash("", 1), std::string("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), "nothing");
  check_equal(hash("abc", 1), std::string("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"), "abc");
  const std::string million(1000000, 'a');
  for (const i64 part : {1, 63, 64, 65, 1000000}) {
    check_equal(hash(million, part), std::string("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"), "a million a's");
  }
}

}  // namespace

}  // namespace fp8lab::test
