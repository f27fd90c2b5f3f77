// Ranks of an MPI job. A module of its own: the runner loads it where `moe` is asked for.

#include <mpi.h>

#include <algorithm>
#include <climits>

#include "transport.h"

namespace fp8lab::moe {

namespace {

class MpiTransport : public Transport {
 public:
  MpiTransport() {
    int initialized = 0;
    MPI_Initialized(&initialized);
    if (initialized == 0) {
      int level = 0;
      MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &level);
    }
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
  }

  ~MpiTransport() override { MPI_Finalize(); }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  Parts all_gather(const Bytes& bytes) override {
    const std::size_t count = bytes.size();
    Bytes all(count * static_cast<std::size_t>(size_));
    MPI_Allgather(bytes.data(), static_cast<int>(count), MPI_BYTE, all.data(), static_cast<int>(count), MPI_BYTE, MPI_COMM_WORLD);
    Parts parts;
    for (int i = 0; i < size_; i++) {
      const auto begin = all.begin() + static_cast<std::ptrdiff_t>(count) * i;
      parts.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(count));
    }
    return parts;
  }

  Parts exchange(const Parts& parts) override {
    Parts received(parts.size());
    std::vector<u64> out, in(parts.size());
    for (const Bytes& part : parts) out.push_back(part.size());
    MPI_Alltoall(out.data(), 1, MPI_UINT64_T, in.data(), 1, MPI_UINT64_T, MPI_COMM_WORLD);
    for (std::size_t i = 0; i < parts.size(); i++) received[i].resize(in[i]);
    // Counts and places are ints: more than those hold goes in several rounds.
    const u64 limit = static_cast<u64>(INT_MAX) / parts.size();
    u64 longest = std::max(*std::max_element(out.begin(), out.end()), *std::max_element(in.begin(), in.end()));
    MPI_Allreduce(MPI_IN_PLACE, &longest, 1, MPI_UINT64_T, MPI_MAX, MPI_COMM_WORLD);
    for (u64 begin = 0; begin < longest; begin += limit) round(parts, begin, limit, received);
    return received;
  }

  void abort(int code) override { MPI_Abort(MPI_COMM_WORLD, code); }

 private:
  /** Bytes `begin` to `begin + limit` - 1 of every part. */
  static void round(const Parts& parts, u64 begin, u64 limit, Parts& received) {
    const auto cut = [&](u64 size) { return static_cast<int>(std::min(size - std::min(size, begin), limit)); };
    std::vector<int> out, in, out_places, in_places;
    int out_all = 0, in_all = 0;
    for (std::size_t i = 0; i < parts.size(); i++) {
      out.push_back(cut(parts[i].size()));
      in.push_back(cut(received[i].size()));
      out_places.push_back(out_all);
      in_places.push_back(in_all);
      out_all += out.back();
      in_all += in.back();
    }
    Bytes sent(static_cast<std::size_t>(out_all)), taken(static_cast<std::size_t>(in_all));
    for (std::size_t i = 0; i < parts.size(); i++) {
      if (out[i] > 0) std::copy_n(parts[i].begin() + static_cast<std::ptrdiff_t>(begin), out[i], sent.begin() + out_places[i]);
    }
    MPI_Alltoallv(sent.data(), out.data(), out_places.data(), MPI_BYTE, taken.data(), in.data(), in_places.data(), MPI_BYTE, MPI_COMM_WORLD);
    for (std::size_t i = 0; i < received.size(); i++) {
      if (in[i] > 0) std::copy_n(taken.begin() + in_places[i], in[i], received[i].begin() + static_cast<std::ptrdiff_t>(begin));
    }
  }

  int rank_ = 0, size_ = 1;
};

}  // namespace

}  // namespace fp8lab::moe

extern "C" fp8lab::moe::Transport* fp8lab_mpi_transport() { return new fp8lab::moe::MpiTransport(); }
