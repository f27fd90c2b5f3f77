#include "ptx.h"

#include <cstring>

namespace fp8lab::cuda {

using emulator::Block;
using emulator::Pending;

void cluster_barrier() {
  if (left_out(Omission::cluster_barrier)) return;
  Block& block = *current().block;
  u32 live = 0;
  for (u32 rank = 0; rank < block.cluster_size(); rank++) live += block.of_cluster(rank).live();
  block.whole_cluster().arrive(live);
}

void named_barrier(int id, int count) {
  if (left_out(Omission::named_barrier)) return;
  if (count % 32 != 0 || count <= 0) emulator::fail("barrier-disagrees", "a named barrier counts whole warps, not " + std::to_string(count) + " threads");
  current().block->named(id).arrive(static_cast<u32>(count));
}

void barrier_expect(u32 barrier, u32 bytes) {
  emulator::Barrier& at = current().block->barrier_at(barrier);
  at.add_bytes(left_out(Omission::expected_bytes) ? bytes / 2 : bytes);
  at.arrive();
}

void barrier_arrive_at(u32 barrier, u32 rank) {
  emulator::Barrier& at = current().block->of_cluster(rank).barrier_at(barrier);
  if (!at.published) emulator::fail("missing-init-fence", "a thread block arrives at another one's mbarrier that has no fence.mbarrier_init");
  at.arrive();
}

void barrier_wait(u32 barrier, u32 parity) {
  // Arrivals of warps are waited for with the other parity than bytes at first: a kernel that left out one of the two would leave out this one.
  if (left_out(Omission::full_wait) && current().index % 128 != 0) return;
  current().block->barrier_at(barrier).wait_for(parity);
}

void store_commit() {
  Pending& pending = current().block->pending(current());
  pending.stores_committed = pending.stores_started;
}

namespace {

void wait_stores() {
  Pending& pending = current().block->pending(current());
  const u64 wanted = pending.stores_committed;
  while (pending.stores.count < wanted) emulator::wait(pending.stores);
}

}  // namespace

void store_wait_read() {
  if (!left_out(Omission::store_wait_read)) wait_stores();
}

void store_wait() {
  if (!left_out(Omission::store_wait)) wait_stores();
}

void store_matrices(u32 address, u32 a, u32 b, u32 c, u32 d) {
  const u64* rows = emulator::meet_warp(0xffffffff, address, "stmatrix");
  Block& block = *current().block;
  const u32 lane = emulator::lane(), words[4] = {a, b, c, d};
  for (u32 matrix = 0; matrix < 4; matrix++) {
    const auto row = static_cast<u32>(rows[8 * matrix + lane / 4]);
    u8* to = block.memory_at(row, 16, 16, "stmatrix") + 4 * (lane % 4);
    std::memcpy(to, &words[matrix], 4);
    block.note_write(row + 4 * (lane % 4), 4, current());
  }
}

void store_shared(u32 address, float a, float b) {
  const float values[2] = {a, b};
  std::memcpy(current().block->memory_at(address, 8, 8, "st.shared.v2.f32"), values, 8);
  current().block->note_write(address, 8, current());
}

float load_shared(u32 address) {
  float value;
  std::memcpy(&value, current().block->memory_at(address, 4, 4, "ld.shared.f32"), 4);
  return value;
}

float2 load_shared_pair(u32 address) {
  float2 value;
  std::memcpy(&value, current().block->memory_at(address, 8, 8, "ld.shared.v2.f32"), 8);
  return value;
}

}  // namespace fp8lab::cuda
