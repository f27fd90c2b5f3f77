#pragma once
// How ranks reach each other. The layer knows nothing else of where they run.

#include <vector>

#include "../numerics/hd.h"

namespace fp8lab::moe {

using Bytes = std::vector<u8>;
/** One message a rank. */
using Parts = std::vector<Bytes>;

/** Every call but the first two is made by all ranks together, in the same order. */
class Transport {
 public:
  virtual ~Transport() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /** The bytes of every rank, in the order of ranks; all give as many. */
  virtual Parts all_gather(const Bytes& bytes) = 0;
  /** Part j goes to rank j; part i of what it gives came from rank i. */
  virtual Parts exchange(const Parts& parts) = 0;
  /** Ends every rank with this exit code; may return where the others are ended by other means. */
  virtual void abort(int code) = 0;
};

/** What the MPI module exports as `fp8lab_mpi_transport`: a transport over all ranks of this job. */
using MakeTransport = Transport* (*)();

}  // namespace fp8lab::moe
