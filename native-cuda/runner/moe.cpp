// The command `moe`: a layer over ranks, of an MPI job or as threads of this process.

#include "../moe/layer.h"

#include <dlfcn.h>

#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "../errors.h"
#include "../moe/nccl.h"
#include "../moe/thread_transport.h"
#include "../tensors/safetensors.h"
#include "../tensors/sha256.h"
#include "arguments.h"
#include "commands.h"
#include "describe.h"

namespace fp8lab {

namespace {

using Json = nlohmann::ordered_json;
using moe::Bytes;
using moe::Parts;
using moe::Transport;

constexpr int most_ranks = 1024;

/** The transport of this MPI job, from the module beside the runner. */
std::unique_ptr<Transport> mpi_transport() {
  const std::filesystem::path module = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "fp8lab-mpi.so";
  const std::string fix = "install libopenmpi-dev and openmpi-bin and build again (`node scripts/build-native.mjs`), or run ranks as threads with --ranks N";
  if (!std::filesystem::exists(module)) throw Error(ErrorKind::environment, "no-mpi-build", "the runner was built without MPI", "moe", fix);
  // Global: Open MPI's own modules look for its symbols.
  void* library = dlopen(module.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) throw Error(ErrorKind::environment, "no-mpi", std::string("MPI cannot be loaded: ") + dlerror(), module.string(), fix);
  const auto make = reinterpret_cast<moe::MakeTransport>(dlsym(library, "fp8lab_mpi_transport"));
  if (make == nullptr) throw Error(ErrorKind::environment, "no-mpi", "the MPI module is of another version", module.string(), fix);
  return std::unique_ptr<Transport>(make());
}

/** A spec that all ranks have, or the error that this rank has in its place. */
struct Agreed {
  std::unique_ptr<Spec> spec;
  std::unique_ptr<Error> error;
  std::string digest;
};

/** What a spec computes, as a digest: its fields without those that name it. */
std::string spec_digest(const std::string& text) {
  nlohmann::json json = nlohmann::json::parse(text);
  for (const char* name : {"name", "description", "large"}) json.erase(name);
  const std::string canonical = json.dump();
  Sha256 hash;
  hash.add(reinterpret_cast<const u8*>(canonical.data()), static_cast<i64>(canonical.size()));
  return hash.hex();
}

Agreed read_own(const std::string& path, int ranks) {
  Agreed own;
  try {
    const std::string text = read_text(path);
    own.spec = std::make_unique<Spec>(parse_spec(text, path));
    const auto* layer = std::get_if<MoeLayerSpec>(&own.spec->kernel);
    if (layer == nullptr) {
      throw input_error("wrong-kernel", "the spec is of " + std::string(kernel_name(*own.spec)) + ", and ranks share a moe-layer", "kernel",
                        "give a moe-layer spec");
    }
    moe::require_shareable(*layer, ranks);
    own.digest = spec_digest(text);
  } catch (const Error& error) {
    own.error = std::make_unique<Error>(error);
  }
  return own;
}

/** An error on this rank alone is told here, and has told itself; the others end with its code in silence. */
struct Silent {
  int code;
};

/** Refuses to go on where a rank has no spec or another one: all ranks learn of it, and one says it. */
std::unique_ptr<Spec> agree(Transport& transport, const std::string& path) {
  Agreed own = read_own(path, transport.size());
  Bytes told(65, 0);
  told[0] = static_cast<u8>(own.error ? static_cast<int>(own.error->kind) : 0);
  std::copy(own.digest.begin(), own.digest.end(), told.begin() + 1);
  const Parts all = transport.all_gather(told);
  for (std::size_t rank = 0; rank < all.size(); rank++) {
    if (all[rank][0] == 0) continue;
    if (static_cast<int>(rank) != transport.rank()) throw Silent{all[rank][0]};
    own.error->where += " (rank " + std::to_string(rank) + ")";
    throw *own.error;
  }
  for (std::size_t rank = 1; rank < all.size(); rank++) {
    if (all[rank] == all[0]) continue;
    if (transport.rank() != 0) throw Silent{static_cast<int>(ErrorKind::input)};
    throw input_error("ranks-disagree", "rank " + std::to_string(rank) + " has another spec than rank 0", path, "give every rank the same spec");
  }
  return std::move(own.spec);
}

/** [from][to] of a row of every rank. */
Json links(Transport& transport, const std::vector<i64>& own) {
  const auto* bytes = reinterpret_cast<const u8*>(own.data());
  const Parts all = transport.all_gather(Bytes(bytes, bytes + own.size() * sizeof(i64)));
  Json matrix = Json::array();
  for (const Bytes& row : all) {
    Json numbers = Json::array();
    for (std::size_t i = 0; i < row.size(); i += sizeof(i64)) {
      i64 value = 0;
      std::copy_n(row.begin() + static_cast<std::ptrdiff_t>(i), sizeof value, reinterpret_cast<u8*>(&value));
      numbers.push_back(value);
    }
    matrix.push_back(numbers);
  }
  return matrix;
}

/** This rank's part of the command. `control` is the transport that the ranks met on. */
void run_rank(Transport& control, const Arguments& arguments) {
  const std::unique_ptr<Spec> spec = agree(control, arguments.operands[0]);
  const auto& layer = std::get<MoeLayerSpec>(spec->kernel);
  const std::unique_ptr<Transport> wire = moe::wire_of(control, arguments.get("transport", "host"), integer_option(arguments, "ctas", 0));
  Transport& transport = wire ? *wire : control;
  const Tensors given = arguments.has("inputs") ? read_tensors(arguments.get("inputs")) : Tensors();
  const moe::LayerResult result = moe::run_layer(layer, given, transport, integer_option(arguments, "threads", 1));
  const Json dispatched = links(control, result.dispatched), combined = links(control, result.combined);
  if (control.rank() != 0) return;
  if (arguments.has("out")) write_tensors(arguments.get("out"), result.tensors, {{"fp8lab.spec", spec->name}});
  const moe::LayerTimes& times = result.times;
  Json json = {{"schemaVersion", 1}, {"spec", spec->name}, {"kernel", kernel_name(*spec)}, {"ranks", control.size()}};
  json["tensors"] = describe(result.tensors, arguments.has("digest"));
  json["bytes"] = {{"dispatch", dispatched}, {"combine", combined}};
  json["times"] = {{"inputs", times.inputs}, {"gate", times.gate}, {"dispatch", times.dispatch}, {"experts", times.experts}, {"combine", times.combine}};
  std::cout << json.dump() << std::endl;
}

/** Under MPI an error past the agreement is one rank's own: it says so, and ends the others, who wait for it. */
int run_in_job(const Arguments& arguments, int (*report)(const Error&)) {
  const std::unique_ptr<Transport> transport = mpi_transport();
  const auto end_all = [&](const Error& error) {
    const int code = report(error);
    // Where all know, all leave; else the others are in the middle of a message that never comes.
    if (transport->size() > 1) transport->abort(code);
    return code;
  };
  try {
    run_rank(*transport, arguments);
    return 0;
  } catch (const Silent& silent) {
    return silent.code;
  } catch (const Error& error) {
    return end_all(error);
  } catch (const std::bad_alloc&) {
    return end_all(Error(ErrorKind::environment, "out-of-memory", "no memory left on rank " + std::to_string(transport->rank()), "memory",
                         "use more ranks, or a smaller shape"));
  } catch (const std::exception& error) {
    return end_all(Error(ErrorKind::device, "internal-error", error.what(), "rank " + std::to_string(transport->rank()),
                         "report this with the spec that caused it"));
  }
}

}  // namespace

int moe_command(int count, char** words, int (*report)(const Error&)) {
  const Arguments arguments =
      parse_arguments(count, words, {"ranks", "inputs", "out", "threads", "transport", "ctas"}, {"digest", "json"}, 1);
  if (!arguments.has("ranks")) return run_in_job(arguments, report);
  const int ranks = integer_option(arguments, "ranks", 1);
  if (ranks > most_ranks) throw Error(ErrorKind::usage, "bad-value", "--ranks is more than 1024", "--ranks", "use MPI for more");
  int code = 0;
  moe::run_as_threads(ranks, [&](Transport& transport) {
    try {
      run_rank(transport, arguments);
    } catch (const Silent& silent) {
      code = silent.code;
    }
  });
  return code;
}

}  // namespace fp8lab
