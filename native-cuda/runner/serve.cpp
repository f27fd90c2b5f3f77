// The command `serve`: runs specs one after the other in one process. Requests and answers are frames on stdin and stdout, the same that
// WebGPU runners speak (src/backends/webgpu/protocol.ts).

#include <algorithm>
#include <cstring>
#include <iostream>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>

#include "../errors.h"
#include "../kernels/device.h"
#include "arguments.h"
#include "commands.h"
#include "device_choice.h"

namespace fp8lab {

namespace {

using Json = nlohmann::ordered_json;

constexpr u32 magic = 0x6c387066;
constexpr u32 largest_header = 1 << 26;
constexpr u64 largest_payload = u64{1} << 36;

struct Prefix {
  u32 magic;
  u32 header_bytes;
  u64 payload_bytes;
};
static_assert(sizeof(Prefix) == 16);

struct Message {
  Json header;
  Tensors tensors;
};

constexpr i64 align_up(i64 bytes) { return (bytes + 7) / 8 * 8; }

Error broken(const std::string& message) {
  return input_error("protocol", message, "stdin", "speak frames as docs/native.md has them; fp8lab does");
}

/** Reads exactly `bytes`; false where the stream ended before the first of them. */
bool read_bytes(void* to, i64 bytes) {
  if (bytes == 0) return true;
  std::cin.read(static_cast<char*>(to), bytes);
  if (std::cin.gcount() == 0 && std::cin.eof()) return false;
  if (std::cin.gcount() != bytes) throw broken("the stream ended inside a frame");
  return true;
}

void read_rest(void* to, i64 bytes) {
  if (!read_bytes(to, bytes)) throw broken("the stream ended inside a frame");
}

DType dtype_named(const std::string& name) {
  for (int i = 0; i <= static_cast<int>(DType::I32); i++) {
    if (info_of(static_cast<DType>(i)).name == name) return static_cast<DType>(i);
  }
  throw broken("unknown dtype " + name);
}

/** Reads the payload: tensors in the order and at the offsets that the header says, with nothing but padding between them. */
Tensors read_tensors(const Json& entries, i64 payload_bytes) {
  Tensors tensors;
  i64 at = 0;
  u8 padding[8];
  for (const Json& entry : entries) {
    const DType dtype = dtype_named(entry.at("dtype").get<std::string>());
    auto shape = entry.at("shape").get<std::vector<i64>>();
    const i64 length = entry.at("length").get<i64>();
    const bool whole = std::all_of(shape.begin(), shape.end(), [](i64 extent) { return extent >= 0 && extent < i64{1} << 31; });
    if (!whole || shape.size() > 4 || element_count(shape) != length || entry.at("lane").get<int>() != lane_bytes(dtype) ||
        entry.at("offset").get<i64>() != at || length > payload_bytes || at + length * lane_bytes(dtype) > payload_bytes) {
      throw broken("a tensor's entry does not fit its frame: " + entry.dump());
    }
    Tensor tensor = allocate(dtype, std::move(shape));
    read_rest(tensor.lanes.data(), tensor.lanes.bytes());
    const i64 end = std::min(align_up(at + tensor.lanes.bytes()), payload_bytes);
    read_rest(padding, end - at - tensor.lanes.bytes());
    at = end;
    tensors.emplace(entry.at("name").get<std::string>(), std::move(tensor));
  }
  if (at != payload_bytes) throw broken("a frame has bytes that belong to no tensor");
  return tensors;
}

/** The next request; none where the stream has ended. */
std::optional<Message> read_message() {
  Prefix prefix;
  if (!read_bytes(&prefix, sizeof prefix)) return std::nullopt;
  if (prefix.magic != magic) throw broken("stdin holds something that is no frame");
  if (prefix.header_bytes > largest_header || prefix.payload_bytes > largest_payload) throw broken("a frame has impossible lengths");
  std::string text(prefix.header_bytes, ' ');
  read_rest(text.data(), prefix.header_bytes);
  try {
    Json header = Json::parse(text);
    Tensors tensors = read_tensors(header.at("tensors"), static_cast<i64>(prefix.payload_bytes));
    return Message{std::move(header), std::move(tensors)};
  } catch (const Json::exception& error) {
    throw broken(std::string("a frame's header is not as it should be: ") + error.what());
  }
}

void write_message(Json header, const Tensors& tensors) {
  header["tensors"] = Json::array();
  i64 bytes = 0;
  for (const auto& [name, tensor] : tensors) {
    header["tensors"].push_back({{"name", name},
                                 {"dtype", info_of(tensor.dtype).name},
                                 {"shape", tensor.shape},
                                 {"offset", bytes},
                                 {"lane", tensor.lanes.width()},
                                 {"length", tensor.lanes.count()}});
    bytes += align_up(tensor.lanes.bytes());
  }
  // Messages quote what was given, which need not be UTF-8.
  std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.resize(static_cast<std::size_t>(align_up(static_cast<i64>(text.size()))), ' ');
  const Prefix prefix{magic, static_cast<u32>(text.size()), static_cast<u64>(bytes)};
  std::cout.write(reinterpret_cast<const char*>(&prefix), sizeof prefix);
  std::cout.write(text.data(), static_cast<std::streamsize>(text.size()));
  constexpr char padding[8] = {};
  for (const auto& [name, tensor] : tensors) {
    std::cout.write(reinterpret_cast<const char*>(tensor.lanes.data()), tensor.lanes.bytes());
    std::cout.write(padding, align_up(tensor.lanes.bytes()) - tensor.lanes.bytes());
  }
  std::cout.flush();
}

std::string kind_name(ErrorKind kind) {
  constexpr const char* names[] = {"", "mismatch", "usage", "environment", "input", "device"};
  return names[static_cast<int>(kind)];
}

Json describe(const Error& error) {
  return {{"kind", kind_name(error.kind)}, {"code", error.code}, {"message", error.what()}, {"where", error.where}, {"fix", error.fix}};
}

Outcome run(Device& device, const Message& request) {
  const auto params = request.header.find("params");
  if (request.header.value("kind", "") != "run" || params == request.header.end() || !params->is_object() || !params->contains("spec")) {
    throw broken("the only request is `run`, with a spec among its params");
  }
  Outcome outcome = device.run(parse_spec(params->at("spec").dump(), "request"), request.tensors);
  require_guards(outcome.tensors);
  return outcome;
}

/** Runs the request's spec and writes its answer; what goes wrong with the spec is an answer too. False where the device may be lost. */
bool answer(Device& device, const Message& request) {
  Json header = {{"id", request.header.value("id", Json())}};
  Outcome outcome;
  bool usable = true;
  try {
    outcome = run(device, request);
    header["value"] = {{"inputs", outcome.inputs_ms}, {"kernel", outcome.kernel_ms}};
  } catch (const Error& error) {
    header["error"] = describe(error);
    // Every call fails after an illegal address, until the process ends.
    usable = error.code != "cuda-call-failed";
  } catch (const std::bad_alloc&) {
    header["error"] = describe(Error(ErrorKind::environment, "out-of-memory", "no memory left", "memory", "use a smaller shape"));
  }
  write_message(std::move(header), outcome.tensors);
  return usable;
}

}  // namespace

int serve_command(int count, char** words) {
  const Arguments arguments = parse_arguments(count, words, {"device", "threads"}, {}, 0);
  const auto device = make_device(arguments.get("device", "host"), integer_option(arguments, "threads", 0));
  std::ios::sync_with_stdio(false);
  while (const std::optional<Message> request = read_message()) {
    const bool usable = answer(*device, *request);
    if (!usable) return static_cast<int>(ErrorKind::device);
    if (!std::cout) throw Error(ErrorKind::environment, "write-failed", "the reader went away", "stdout", "start the command again");
  }
  return 0;
}

}  // namespace fp8lab
