#include "cublaslt.h"

#include <dlfcn.h>

namespace fp8lab::bench {

namespace {

/** cublasLt.h's enumerators that are used here. */
enum : int { compute_32f = 68, type_f32 = 0, type_bf16 = 14, type_e4m3 = 28, transpose_yes = 1 };
enum : int { desc_transpose_a = 3, desc_scale_a = 17, desc_scale_b = 18, desc_mode_a = 31, desc_mode_b = 32 };
enum : int { mode_vector_128 = 4, mode_block_128 = 5, preference_workspace = 1 };
constexpr std::size_t workspace_bytes = std::size_t{32} << 20;

struct Algorithm {
  u64 data[8];
};

struct Heuristic {
  Algorithm algorithm;
  std::size_t workspace;
  int status;
  float waves;
  int reserved[4];
};

template <class Function>
Function find(void* library, const char* name) {
  return reinterpret_cast<Function>(dlsym(library, name));
}

}  // namespace

struct CublasLt::State {
  void* shared_object = nullptr;
  void *handle = nullptr, *desc = nullptr, *layout_a = nullptr, *layout_b = nullptr, *layout_d = nullptr, *preference = nullptr;
  Heuristic heuristic{};
  Buffer workspace;
  const void *first = nullptr, *second = nullptr;
  void* d = nullptr;
  int (*matmul)(void*, void*, const void*, const void*, void*, const void*, void*, const void*, const void*, void*, void*, void*, const Algorithm*, void*,
                std::size_t, cudaStream_t) = nullptr;

  /** 0, or cuBLASLt's status. */
  int run(const Algorithm& algorithm) const {
    const float one = 1, zero = 0;
    return matmul(handle, desc, &one, first, layout_a, second, layout_b, &zero, d, layout_d, d, layout_d, &algorithm, workspace.as(), workspace_bytes, nullptr);
  }
};

CublasLt::~CublasLt() = default;

std::unique_ptr<CublasLt> CublasLt::make(int m, int n, int k, const Operand& a, const u8* b, const float* scales_b, void* d, std::string& reason) {
  std::unique_ptr<CublasLt> made(new CublasLt);
  made->state_ = std::make_unique<State>();
  State& s = *made->state_;
  for (const char* name : {"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"}) {
    if (s.shared_object == nullptr) s.shared_object = dlopen(name, RTLD_NOW);
  }
  reason = "libcublasLt is not on the library path";
  if (s.shared_object == nullptr) return nullptr;
  const auto create = find<int (*)(void**)>(s.shared_object, "cublasLtCreate");
  const auto create_desc = find<int (*)(void**, int, int)>(s.shared_object, "cublasLtMatmulDescCreate");
  const auto set_desc = find<int (*)(void*, int, const void*, std::size_t)>(s.shared_object, "cublasLtMatmulDescSetAttribute");
  const auto create_layout = find<int (*)(void**, int, u64, u64, i64)>(s.shared_object, "cublasLtMatrixLayoutCreate");
  const auto create_preference = find<int (*)(void**)>(s.shared_object, "cublasLtMatmulPreferenceCreate");
  const auto set_preference = find<int (*)(void*, int, const void*, std::size_t)>(s.shared_object, "cublasLtMatmulPreferenceSetAttribute");
  const auto choose = find<int (*)(void*, void*, void*, void*, void*, void*, void*, int, Heuristic*, int*)>(s.shared_object, "cublasLtMatmulAlgoGetHeuristic");
  s.matmul = find<decltype(s.matmul)>(s.shared_object, "cublasLtMatmul");
  reason = "libcublasLt lacks a function";
  if (!create || !create_desc || !set_desc || !create_layout || !create_preference || !set_preference || !choose || !s.matmul) return nullptr;
  s.workspace = Buffer(static_cast<i64>(workspace_bytes), "cuBLASLt");
  // Column-major: D^T [n, m] = B * A^T, so B comes first, transposed.
  s.first = b;
  s.second = a.codes.as();
  s.d = d;
  const int mode_b = mode_block_128, mode_a = mode_vector_128, transposed = transpose_yes;
  const void* scale_first = scales_b;
  const void* scale_second = a.scales.as();
  int status = create(&s.handle);
  status |= create_desc(&s.desc, compute_32f, type_f32);
  status |= create_layout(&s.layout_a, type_e4m3, static_cast<u64>(k), static_cast<u64>(n), k);
  status |= create_layout(&s.layout_b, type_e4m3, static_cast<u64>(k), static_cast<u64>(m), k);
  status |= create_layout(&s.layout_d, type_bf16, static_cast<u64>(n), static_cast<u64>(m), n);
  status |= create_preference(&s.preference);
  reason = "cuBLASLt refuses to start";
  if (status != 0) return nullptr;
  status |= set_desc(s.desc, desc_transpose_a, &transposed, sizeof transposed);
  status |= set_desc(s.desc, desc_mode_a, &mode_b, sizeof mode_b);
  status |= set_desc(s.desc, desc_mode_b, &mode_a, sizeof mode_a);
  status |= set_desc(s.desc, desc_scale_a, &scale_first, sizeof scale_first);
  status |= set_desc(s.desc, desc_scale_b, &scale_second, sizeof scale_second);
  status |= set_preference(s.preference, preference_workspace, &workspace_bytes, sizeof workspace_bytes);
  reason = "cuBLASLt has no block scaling (before 12.9)";
  if (status != 0) return nullptr;
  Heuristic found[8] = {};
  int count = 0;
  status = choose(s.handle, s.desc, s.layout_a, s.layout_b, s.layout_d, s.layout_d, s.preference, 8, found, &count);
  reason = "cuBLASLt has no kernel for this shape (status " + std::to_string(status) + ")";
  if (status != 0 || count == 0) return nullptr;
  float best = 1e30f;
  for (int i = 0; i < count; i++) {
    cudaEvent_t begin, end;
    cuda::check(cudaEventCreate(&begin), "cudaEventCreate", "cuBLASLt");
    cuda::check(cudaEventCreate(&end), "cudaEventCreate", "cuBLASLt");
    bool ran = true;
    for (int run = 0; run < 13 && ran; run++) {
      if (run == 3) cuda::check(cudaEventRecord(begin), "cudaEventRecord", "cuBLASLt");
      ran = s.run(found[i].algorithm) == 0;
    }
    cuda::check(cudaEventRecord(end), "cudaEventRecord", "cuBLASLt");
    cuda::check(cudaEventSynchronize(end), "cudaEventSynchronize", "cuBLASLt");
    float time = 1e30f;
    if (ran) cuda::check(cudaEventElapsedTime(&time, begin, end), "cudaEventElapsedTime", "cuBLASLt");
    cudaEventDestroy(begin);
    cudaEventDestroy(end);
    if (time >= best) continue;
    best = time;
    s.heuristic = found[i];
  }
  reason = "no kernel of cuBLASLt runs";
  if (best >= 1e30f) return nullptr;
  reason.clear();
  return made;
}

void CublasLt::launch() const {
  if (state_->run(state_->heuristic.algorithm) != 0) throw Error(ErrorKind::device, "cublaslt-failed", "cublasLtMatmul failed", "cuBLASLt", "leave the peer out");
}

}  // namespace fp8lab::bench
