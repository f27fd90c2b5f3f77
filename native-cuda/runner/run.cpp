// The command `run`, and `info`.

#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>

#include "../errors.h"
#include "../kernels/device.h"
#include "../tensors/safetensors.h"
#include "arguments.h"
#include "commands.h"
#include "describe.h"
#include "device_choice.h"

namespace fp8lab {

namespace {

using Json = nlohmann::ordered_json;

Json describe(const DeviceIdentity& identity) {
  Json json = {{"adapter", identity.adapter}, {"details", Json::object()}};
  for (const auto& [key, value] : identity.details) json["details"][key] = value;
  return json;
}

double now_ms() { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

}  // namespace

std::unique_ptr<Device> make_device(const std::string& name, int threads) {
  if (name == "host") return make_host_device(threads);
  if (name == "cuda") return make_cuda_device();
  throw Error(ErrorKind::usage, "unknown-device", "unknown device " + name, "--device", "use host or cuda");
}

void require_guards(const Tensors& tensors) {
  for (const auto& [name, tensor] : tensors) {
    if (tensor.lanes.guarded()) continue;
    throw Error(ErrorKind::device, "wrote-past-end", "the kernel wrote behind the end of " + name, name,
                "report this with the spec that caused it");
  }
}

int run_command(int count, char** words) {
  const Arguments arguments = parse_arguments(count, words, {"device", "inputs", "out", "threads"}, {"digest", "json", "lanes"}, 1);
  const double begin = now_ms();
  const std::string device_name = arguments.get("device", "host");
  const Spec spec = parse_spec(read_text(arguments.operands[0]), arguments.operands[0]);
  const Tensors given = arguments.has("inputs") ? read_tensors(arguments.get("inputs")) : Tensors();
  const auto device = make_device(device_name, integer_option(arguments, "threads", 0));
  const Outcome outcome = device->run(spec, given);
  require_guards(outcome.tensors);
  const Packing packing = arguments.has("lanes") ? Packing::lanes : Packing::packed;
  if (arguments.has("out")) write_tensors(arguments.get("out"), outcome.tensors, {{"fp8lab.spec", spec.name}}, packing);
  Json json = {{"schemaVersion", 1}, {"spec", spec.name}, {"kernel", kernel_name(spec)}, {"device", device_name}};
  json["identity"] = describe(device->identify());
  json["tensors"] = describe(outcome.tensors, arguments.has("digest"));
  json["times"] = {{"inputs", outcome.inputs_ms}, {"kernel", outcome.kernel_ms}, {"total", now_ms() - begin}};
  std::cout << json.dump() << std::endl;
  return 0;
}

int info_command(int count, char** words) {
  parse_arguments(count, words, {}, {"json"}, 0);
  Json json = {{"schemaVersion", 1}, {"version", FP8LAB_VERSION}, {"host", describe(make_host_device(0)->identify())}};
  try {
    json["cuda"] = describe(make_cuda_device()->identify());
  } catch (const Error& error) {
    json["cuda"] = nullptr;
    json["cudaProblem"] = {{"code", error.code}, {"message", error.what()}, {"where", error.where}, {"fix", error.fix}};
  }
  std::cout << json.dump() << std::endl;
  return 0;
}

}  // namespace fp8lab
