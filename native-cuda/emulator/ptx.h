#pragma once
// The emulator's twins of kernels/cuda/ptx.cuh, name by name.

#include "../numerics/codec.h"
#include "block.h"
#include "copies.h"

namespace fp8lab::cuda {

using emulator::current;
using emulator::left_out;
using emulator::Omission;

inline u32 shared_address(const void* pointer) { return current().block->address_of(pointer); }
inline u32 cluster_rank() { return static_cast<u32>(current().block->rank()); }

void cluster_barrier();
void named_barrier(int id, int count);

inline void barrier_init(u32 barrier, u32 arrivals) { current().block->init_barrier(barrier, arrivals); }
inline void barrier_init_fence() {
  if (!left_out(Omission::init_fence)) current().block->publish_barriers(current());
}
void barrier_expect(u32 barrier, u32 bytes);
inline void barrier_arrive(u32 barrier) { current().block->barrier_at(barrier).arrive(); }
void barrier_arrive_at(u32 barrier, u32 rank);
void barrier_wait(u32 barrier, u32 parity);

inline void prefetch_map(const CUtensorMap* map) { emulator::read_map(*map); }
inline void load_box(u32 target, const CUtensorMap* map, u32 barrier, int x, int y, int z) { emulator::load_box(target, *map, barrier, {x, y, z}, 1u << cluster_rank()); }
inline void load_box_both(u32 target, const CUtensorMap* map, u32 barrier, int x, int y, int z) { emulator::load_box(target, *map, barrier, {x, y, z}, 3); }
inline void store_box(const CUtensorMap* map, u32 source, int x, int y, int z) { emulator::store_box(*map, source, {x, y, z}); }
void store_commit();
void store_wait_read();
void store_wait();

inline void async_proxy_fence() {
  if (!left_out(Omission::proxy_fence)) current().block->fence_writes(current());
}

void wgmma_fence();
void wgmma_commit();
void wait_wgmma(int pending);
template <int pending>
void wgmma_wait() {
  wait_wgmma(pending);
}

template <int count>
void pin(float (&)[count]) {}
template <int registers>
void raise_registers() {}
template <int registers>
void lower_registers() {}

void store_matrices(u32 address, u32 a, u32 b, u32 c, u32 d);
void store_shared(u32 address, float a, float b);
float load_shared(u32 address);
float2 load_shared_pair(u32 address);

inline u32 pack_bf16(float low, float high) {
  const Format bf16 = format_of(FormatId::bf16);
  return encode(float_bits(low), bf16, Rounding::nearest_even, Overflow::ieee) | encode(float_bits(high), bf16, Rounding::nearest_even, Overflow::ieee) << 16;
}

template <FormatId format>
u32 encode_pair(float low, float high) {
  const Format f = format_of(format);
  return encode(float_bits(low), f, Rounding::nearest_even, Overflow::saturate) | encode(float_bits(high), f, Rounding::nearest_even, Overflow::saturate) << 8;
}

template <FormatId format>
float2 decode_pair(u32 codes) {
  const Format f = format_of(format);
  return {bits_float(decode(codes & 0xff, f)), bits_float(decode(codes >> 8 & 0xff, f))};
}

}  // namespace fp8lab::cuda
