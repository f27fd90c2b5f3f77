// NCCL's own interface (nccl.h of 2.18 and later), as far as it is used here: declared, not included, for the library is loaded at run time.

#include "nccl.h"

#include <cuda_runtime.h>
#include <dlfcn.h>

#include <climits>
#include <cstring>
#include <exception>

#include "../errors.h"
#include "../kernels/cuda/check.h"

namespace fp8lab::moe {

namespace {

using cuda::Buffer;
using cuda::check;

struct UniqueId {
  char internal[128];
};
using Communicator = void*;

/** ncclConfig_t as of 2.17: later libraries fill what is behind it with their defaults, by `size` and `version`. */
struct Config {
  std::size_t size;
  unsigned int magic;
  unsigned int version;
  int blocking;
  int cga_cluster_size;
  int min_ctas;
  int max_ctas;
  const char* net_name;
};

constexpr int undefined = INT_MIN;
constexpr int uint8_type = 1;
constexpr int no_error = 0;

/** The functions of libnccl.so.2. */
struct Nccl {
  int (*get_unique_id)(UniqueId*);
  int (*init_rank)(Communicator*, int, UniqueId, int, Config*);
  int (*destroy)(Communicator);
  int (*abort)(Communicator);
  int (*group_start)();
  int (*group_end)();
  int (*send)(const void*, std::size_t, int, int, Communicator, cudaStream_t);
  int (*receive)(void*, std::size_t, int, int, Communicator, cudaStream_t);
  const char* (*error_string)(int);

  Nccl() {
    void* library = dlopen("libnccl.so.2", RTLD_NOW);
    if (library == nullptr) {
      throw Error(ErrorKind::environment, "no-nccl", std::string("NCCL cannot be loaded: ") + dlerror(), "libnccl.so.2",
                  "install NCCL 2.17 or later (libnccl2) or name its folder in LD_LIBRARY_PATH, or use --transport host");
    }
    find(library, "ncclGetUniqueId", get_unique_id);
    find(library, "ncclCommInitRankConfig", init_rank);
    find(library, "ncclCommDestroy", destroy);
    find(library, "ncclCommAbort", abort);
    find(library, "ncclGroupStart", group_start);
    find(library, "ncclGroupEnd", group_end);
    find(library, "ncclSend", send);
    find(library, "ncclRecv", receive);
    find(library, "ncclGetErrorString", error_string);
  }

  void require(int status, const char* call) const {
    if (status == no_error) return;
    throw Error(ErrorKind::device, "nccl-call-failed", std::string(call) + ": " + error_string(status), "NCCL", "run again with NCCL_DEBUG=INFO");
  }

 private:
  template <class Function>
  static void find(void* library, const char* name, Function& function) {
    function = reinterpret_cast<Function>(dlsym(library, name));
    if (function != nullptr) return;
    throw Error(ErrorKind::environment, "old-nccl", std::string("NCCL has no ") + name, "libnccl.so.2", "install NCCL 2.17 or later");
  }
};

/** Messages between GPUs: one send and one receive a pair of ranks, in one group. What is small goes by the control transport. */
class NcclTransport : public Transport {
 public:
  NcclTransport(Transport& control, int ctas) : control_(control) {
    UniqueId id{};
    if (control.rank() == 0) nccl_.require(nccl_.get_unique_id(&id), "ncclGetUniqueId");
    const auto* bytes = reinterpret_cast<const u8*>(id.internal);
    const Parts ids = control.all_gather(Bytes(bytes, bytes + sizeof id.internal));
    std::memcpy(id.internal, ids[0].data(), sizeof id.internal);
    Config config{sizeof(Config), 0xcafebeef, 21700, 1, undefined, ctas > 0 ? 1 : undefined, ctas > 0 ? ctas : undefined, nullptr};
    nccl_.require(nccl_.init_rank(&communicator_, control.size(), id, control.rank(), &config), "ncclCommInitRankConfig");
    check(cudaStreamCreate(&stream_), "cudaStreamCreate", "NCCL");
  }

  NcclTransport(const NcclTransport&) = delete;
  NcclTransport& operator=(const NcclTransport&) = delete;

  ~NcclTransport() override {
    // Where an error ends this rank the others may never answer, and `destroy` would wait for them.
    (std::uncaught_exceptions() > 0 ? nccl_.abort : nccl_.destroy)(communicator_);
    cudaStreamDestroy(stream_);
  }

  int rank() const override { return control_.rank(); }
  int size() const override { return control_.size(); }

  Parts all_gather(const Bytes& bytes) override { return control_.all_gather(bytes); }

  Parts exchange(const Parts& parts) override {
    const std::vector<u64> in = lengths(parts);
    std::vector<Buffer> out_buffers, in_buffers;
    for (std::size_t i = 0; i < parts.size(); i++) {
      out_buffers.push_back(buffer(parts[i].size()));
      in_buffers.push_back(buffer(in[i]));
      check(cudaMemcpyAsync(out_buffers[i].as(), parts[i].data(), parts[i].size(), cudaMemcpyHostToDevice, stream_), "cudaMemcpyAsync", "NCCL");
    }
    nccl_.require(nccl_.group_start(), "ncclGroupStart");
    for (std::size_t i = 0; i < parts.size(); i++) {
      const int peer = static_cast<int>(i);
      if (!parts[i].empty()) nccl_.require(nccl_.send(out_buffers[i].as(), parts[i].size(), uint8_type, peer, communicator_, stream_), "ncclSend");
      if (in[i] > 0) nccl_.require(nccl_.receive(in_buffers[i].as(), in[i], uint8_type, peer, communicator_, stream_), "ncclRecv");
    }
    nccl_.require(nccl_.group_end(), "ncclGroupEnd");
    Parts received(parts.size());
    for (std::size_t i = 0; i < parts.size(); i++) {
      received[i].resize(in[i]);
      check(cudaMemcpyAsync(received[i].data(), in_buffers[i].as(), in[i], cudaMemcpyDeviceToHost, stream_), "cudaMemcpyAsync", "NCCL");
    }
    check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize", "NCCL");
    return received;
  }

  void abort(int code) override {
    nccl_.abort(communicator_);
    control_.abort(code);
  }

 private:
  static Buffer buffer(std::size_t bytes) { return Buffer(static_cast<i64>(most<std::size_t>(bytes, 1)), "NCCL"); }

  /** Lengths of the messages that come. */
  std::vector<u64> lengths(const Parts& parts) {
    Parts own;
    for (const Bytes& part : parts) {
      const u64 size = part.size();
      const auto* bytes = reinterpret_cast<const u8*>(&size);
      own.emplace_back(bytes, bytes + sizeof size);
    }
    std::vector<u64> sizes;
    for (const Bytes& bytes : control_.exchange(own)) {
      u64 size = 0;
      std::memcpy(&size, bytes.data(), sizeof size);
      sizes.push_back(size);
    }
    return sizes;
  }

  Transport& control_;
  Nccl nccl_;
  Communicator communicator_ = nullptr;
  cudaStream_t stream_ = nullptr;
};

/** A rank's place on its node, by the launcher's word (Open MPI, MPICH and Intel MPI, Slurm); the rank itself where there is none. */
int local_rank(int rank) {
  for (const char* name : {"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"}) {
    if (const char* value = std::getenv(name)) return std::atoi(value);
  }
  return rank;
}

}  // namespace

std::unique_ptr<Transport> wire_of(Transport& control, const std::string& name, int ctas) {
  if (name == "host") return nullptr;
  if (name != "nccl") throw Error(ErrorKind::usage, "bad-value", "unknown value " + name + " of --transport", "--transport", "use host or nccl");
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    throw Error(ErrorKind::environment, "no-cuda-device", "NCCL moves rows between GPUs, and there is none", "--transport", "use --transport host");
  }
  // Ranks of a node take its GPUs in turn; a launcher that shows each rank its own leaves one.
  check(cudaSetDevice(local_rank(control.rank()) % devices), "cudaSetDevice", "NCCL");
  return std::make_unique<NcclTransport>(control, ctas);
}

}  // namespace fp8lab::moe
