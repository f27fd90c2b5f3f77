#pragma once
// cuBLASLt's block-scaled gemm (12.9 and later on Hopper), loaded at run time.

#include <memory>
#include <string>

#include "data.h"

namespace fp8lab::bench {

/** D [m, n] bf16 = A * B^T with 1x128 scales of A and 128x128 scales of B. */
class CublasLt {
 public:
  /** Null with the reason where the library is missing or refuses. `scales_b` is [n / 128, k / 128 padded to 4], as cuBLASLt reads them. */
  static std::unique_ptr<CublasLt> make(int m, int n, int k, const Operand& a, const u8* b, const float* scales_b, void* d, std::string& reason);
  ~CublasLt();
  void launch() const;

 private:
  CublasLt() = default;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fp8lab::bench
