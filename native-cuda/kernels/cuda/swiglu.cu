// SwiGLU between the products, and its gradients: in one kernel with the quantization where operands are bf16, and for any format.

#include "../../numerics/swiglu.h"
#include "lanes.cuh"
#include "launch.h"
#include "quantize.cuh"
#include "swiglu.h"

namespace fp8lab::cuda {

namespace {

__device__ __forceinline__ bool is_padding(const u32* row_to_slot, i64 row) { return row_to_slot != nullptr && row_to_slot[row] >= 0x80000000u; }

/** act [rows, inter] of a bf16 x. */
struct ActSource {
  using Values = Wide;
  static constexpr bool by_block = false;
  const u16* x;
  const u32* weights;
  const u32* row_to_slot;
  u32 clamp;
  i64 rows, columns;

  __device__ __forceinline__ void load(Values& values, i64 row, i64 column) const {
    if (is_padding(row_to_slot, row)) return;
    Narrow gate, up;
    gate.load(x + 2 * row * columns + column);
    up.load(x + (2 * row + 1) * columns + column);
    const u32 weight = weights == nullptr ? one_bits : weights[row];
#pragma unroll
    for (int i = 0; i < 16; i++) values.bits[i] = mul_bits(swiglu_bits(gate[i], up[i], clamp), weight);
  }
};

/** 256 threads: the gradients of gate and up of 32 rows, 128 columns each; two tiles a row from one read. */
template <FormatId format>
__global__ void __launch_bounds__(256) quantize_gradients(const u16* x, const u16* grad, const u32* weights, const u32* row_to_slot, u32 clamp, i64 rows, i64 inter,
                                                          Scheme scheme, QuantizeTarget target) {
  const i64 row = static_cast<i64>(blockIdx.x) * 32 + threadIdx.x / 8;
  const i64 column = static_cast<i64>(blockIdx.y) * 128 + threadIdx.x % 8 * 16;
  Wide of_gate, of_up;
  of_gate.clear();
  of_up.clear();
  if (row < rows && !is_padding(row_to_slot, row)) {
    Narrow gate, up, incoming;
    gate.load(x + 2 * row * inter + column);
    up.load(x + (2 * row + 1) * inter + column);
    incoming.load(grad + row * inter + column);
    const u32 weight = weights == nullptr ? one_bits : weights[row];
#pragma unroll
    for (int i = 0; i < 16; i++) {
      const SwigluGradients gradients = swiglu_gradients(gate[i], up[i], mul_bits(incoming[i], weight), clamp);
      of_gate.bits[i] = gradients.gate;
      of_up.bits[i] = gradients.up;
    }
  }
  quantize_row<format>(of_gate, scheme, target, row, column, rows, 2 * inter);
  quantize_row<format>(of_up, scheme, target, row, inter + column, rows, 2 * inter);
}

/** Values of one element of the inner matrix. */
struct Element {
  u32 gate, up, grad;
};

__device__ Element element_of(const SwigluLaunch& swiglu, i64 row, i64 column) {
  const i64 inter = swiglu.x.columns / 2, at = 2 * row * inter + column;
  const Format format = format_of(swiglu.x.format);
  const u32 grad = swiglu.grad.lanes == nullptr ? 0 : value_at(swiglu.grad, format_of(swiglu.grad.format), row * inter + column);
  return {value_at(swiglu.x, format, at), value_at(swiglu.x, format, at + inter), grad};
}

__global__ void swiglu_act(SwigluLaunch swiglu, u32* act) {
  const i64 index = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x, inter = swiglu.x.columns / 2;
  if (index >= swiglu.x.rows * inter) return;
  const i64 row = index / inter;
  if (is_padding(swiglu.row_to_slot, row)) {
    act[index] = 0;
    return;
  }
  const Element e = element_of(swiglu, row, index % inter);
  const u32 value = swiglu_bits(e.gate, e.up, swiglu.clamp);
  act[index] = swiglu.weights == nullptr ? value : mul_bits(value, swiglu.weights[row]);
}

__global__ void swiglu_gradient(SwigluLaunch swiglu, u32* dx) {
  const i64 index = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x, inter = swiglu.x.columns / 2;
  if (index >= swiglu.x.rows * inter) return;
  const i64 row = index / inter, at = 2 * row * inter + index % inter;
  SwigluGradients gradients{0, 0};
  if (!is_padding(swiglu.row_to_slot, row)) {
    const Element e = element_of(swiglu, row, index % inter);
    gradients = swiglu_gradients(e.gate, e.up, swiglu.weights == nullptr ? e.grad : mul_bits(e.grad, swiglu.weights[row]), swiglu.clamp);
  }
  dx[at] = gradients.gate;
  dx[at + inter] = gradients.up;
}

/** A warp a row: a lane sums 128 columns one after the other; the lanes' sums are added in their order. */
__global__ void weight_gradients(SwigluLaunch swiglu, u32* dweights) {
  const i64 row = (static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x) / 32, inter = swiglu.x.columns / 2;
  if (row >= swiglu.x.rows) return;
  const u32 lane = threadIdx.x % 32;
  float total = 0;
  for (i64 first = 0; first < inter && !is_padding(swiglu.row_to_slot, row); first += 32 * 128) {
    const i64 start = first + lane * 128, end = least(start + 128, inter);
    u32 sum = 0;
    for (i64 column = start; column < end; column++) {
      const Element e = element_of(swiglu, row, column);
      sum = canonical_bits(fma_rn(bits_float(e.grad), bits_float(swiglu_bits(e.gate, e.up, swiglu.clamp)), bits_float(sum)));
    }
    for (u32 from = 0; from < 32; from++) {
      const u32 other = __shfl_sync(0xffffffff, sum, from);
      if (first + from * 128 < inter) total = add_rn(total, bits_float(other));
    }
  }
  if (lane == 0) dweights[row] = canonical_bits(total);
}

bool is_narrow(const MatrixView& x) { return x.format == FormatId::bf16; }

}  // namespace

bool launch_swiglu_fast(const SwigluLaunch& swiglu, const Scheme& scheme, const QuantizeTarget& target, cudaStream_t stream, const std::string& where) {
  if (!is_fast_rule(scheme) || !is_narrow(swiglu.x)) return false;
  const ActSource source{static_cast<const u16*>(swiglu.x.lanes), swiglu.weights, swiglu.row_to_slot, swiglu.clamp, swiglu.x.rows, swiglu.x.columns / 2};
  return launch_source("swiglu_quantize", source, scheme, target, stream, where);
}

bool launch_swiglu_backward_fast(const SwigluLaunch& swiglu, const Scheme& scheme, const QuantizeTarget& target, cudaStream_t stream, const std::string& where) {
  const i64 rows = swiglu.x.rows, inter = swiglu.x.columns / 2;
  const bool tile = scheme.tile_rows == 1 && scheme.tile_columns == 128 && inter % 128 == 0 && inter <= 65535 * 128;
  if (!is_fast_rule(scheme) || !tile || !is_narrow(swiglu.x) || !is_narrow(swiglu.grad)) return false;
  const auto kernel = scheme.format == FormatId::e4m3 ? quantize_gradients<FormatId::e4m3> : quantize_gradients<FormatId::e5m2>;
  const Grid grid{dim3(static_cast<unsigned>((rows + 31) / 32), static_cast<unsigned>(inter / 128)), threads};
  launch("swiglu_backward", kernel, grid, stream, where, static_cast<const u16*>(swiglu.x.lanes), static_cast<const u16*>(swiglu.grad.lanes), swiglu.weights,
         swiglu.row_to_slot, swiglu.clamp, rows, inter, scheme, target);
  return true;
}

void launch_swiglu(const SwigluLaunch& swiglu, u32* act, cudaStream_t stream, const std::string& where) {
  launch("swiglu", swiglu_act, {blocks_of(swiglu.x.rows * swiglu.x.columns / 2), threads}, stream, where, swiglu, act);
}

void launch_swiglu_backward(const SwigluLaunch& swiglu, u32* dx, cudaStream_t stream, const std::string& where) {
  launch("swiglu_gradient", swiglu_gradient, {blocks_of(swiglu.x.rows * swiglu.x.columns / 2), threads}, stream, where, swiglu, dx);
}

void launch_weight_gradients(const SwigluLaunch& swiglu, u32* dweights, cudaStream_t stream, const std::string& where) {
  launch("weight_gradients", weight_gradients, {blocks_of(32 * swiglu.x.rows), threads}, stream, where, swiglu, dweights);
}

}  // namespace fp8lab::cuda
