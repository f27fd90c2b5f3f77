#pragma once
// dispatch and combine over virtual ranks, on a CUDA device.

#include <cuda_runtime.h>

#include <string>

#include "../../specs/kernels/dispatch.h"
#include "../../tensors/tensor.h"
#include "api.h"

namespace fp8lab::cuda {

/** Which slots go where: topk_idx [tokens of all ranks, topk] on the device. */
struct Routes {
  const u32* topk_idx;
  i64 tokens, topk, experts;
  i64 ranks, gpus_per_node;

  i64 slots() const { return tokens * topk; }
};

/** How a token travels: each slot straight to its rank, once a rank straight, or once a node over IB and on over NVLink. */
enum class Way : u8 { slot, rank, node };

/** targets [slots]: the rank of each slot that its token travels for, `nowhere` for the token's later slots on that rank. */
void launch_first_slots(const Routes& routes, u32* targets, cudaStream_t stream, const std::string& where);
/** Gives slots that share their token's row the row of the first on their rank. */
void launch_share_rows(const Routes& routes, u32* slot_to_row, cudaStream_t stream, const std::string& where);
/** source [rows, 2]: rank and token of each row; -1 for padding. */
void launch_sources(const Routes& routes, const u32* row_to_slot, i64 rows, u32* source, cudaStream_t stream, const std::string& where);
/** What a rank sees of its rows' slots [rows, topk]: the expert's place on the rank, and the weight. */
void launch_local_slots(const Routes& routes, const u32* weights, const u32* row_to_slot, i64 rows, u32* experts, u32* values, cudaStream_t stream, const std::string& where);
/** [ranks, experts]: slots that each rank has for an expert, and how many of ranks before; `count` holds zeros. */
void launch_source_layout(const Routes& routes, u32* count, u32* begin, cudaStream_t stream, const std::string& where);
/**
 * Bytes of every link, which hold zeros before: IB [nodes, nodes], NVLink [ranks, ranks]. `slot_to_row` leaves out slots without a row; null leaves out none. `back`
 * takes every link the other way.
 */
struct TrafficLaunch {
  Routes routes;
  const u32* slot_to_row;
  Way way;
  bool back;
  u32 message;
  u32* ib;
  u32* nvlink;
};
void launch_traffic(const TrafficLaunch& traffic, cudaStream_t stream, const std::string& where);

/** bf16 sums of every token's rows: over a rank's slots, rounded, over ranks (of a node, rounded, over nodes where `by_node`). `weights` may be null. */
struct CombineLaunch {
  Routes routes;
  MatrixView x;
  const u32* slot_to_row;
  const u32* weights;
  bool by_node;
  u16* out;
};
void launch_combine(const CombineLaunch& combine, cudaStream_t stream, const std::string& where);

Tensors compute(const DispatchSpec& spec, const Tensors& inputs, const std::string& where);
Tensors compute(const CombineSpec& spec, const Tensors& inputs, const std::string& where);

}  // namespace fp8lab::cuda
