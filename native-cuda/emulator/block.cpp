#include "block.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "wgmma.h"

namespace fp8lab::emulator {

namespace {

/** Shared memory of a thread block on compute capability 9.0, dynamic and static. */
constexpr u32 shared_limit = 232448;
constexpr int poison = 0xa5;

std::string hex(u32 value) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "0x%x", value);
  return digits;
}

}  // namespace

void Meeting::arrive(u32 expected) {
  if (arrived_ > 0 && expected != expected_) {
    fail("barrier-disagrees", name_ + " is used for " + std::to_string(expected) + " threads while others wait for " + std::to_string(expected_));
  }
  expected_ = expected;
  arrived_++;
  if (arrived_ < expected) return wait(*this);
  arrived_ = 0;
  wake(*this);
}

void Meeting::expect(u32 expected) {
  if (arrived_ == 0) return;
  expected_ = expected;
  if (arrived_ < expected) return;
  arrived_ = 0;
  wake(*this);
}

std::string Meeting::describe() const { return name_ + " (" + std::to_string(arrived_) + " of " + std::to_string(expected_) + " arrived)"; }

void Barrier::arrive() {
  if (pending_ == 0) fail("barrier-overrun", describe() + " got an arrival more than it was initialized for");
  pending_--;
  end_phase();
}

void Barrier::add_bytes(i64 bytes) {
  bytes_ += bytes;
  if (bytes_ > (1 << 20) - 1 || bytes_ < -(1 << 20) + 1) fail("barrier-overrun", describe() + " counts more bytes than an mbarrier holds");
  if (bytes < 0) end_phase();
}

void Barrier::end_phase() {
  if (pending_ > 0 || bytes_ != 0) return;
  phases_++;
  pending_ = arrivals_;
  wake(*this);
}

void Barrier::wait_for(u32 parity) {
  while ((phases_ & 1) == parity) wait(*this);
}

std::string Barrier::describe() const {
  return "the mbarrier at " + hex(address_) + ", phase " + std::to_string(phases_) + " (lacks " + std::to_string(pending_) + " arrivals and " + std::to_string(bytes_) +
         " bytes)";
}

const u64* WarpMeeting::arrive(u32 lane, u32 mask, u64 value, const char* instruction) {
  if (((mask >> lane) & 1) == 0) fail("warp-mask", std::string(instruction) + " has a mask without the calling lane");
  if (arrived_ != 0 && (mask != mask_ || std::strcmp(instruction, instruction_) != 0)) {
    fail("warp-diverged", std::string("a lane is at ") + instruction + " where others of its warp are at " + instruction_);
  }
  instruction_ = instruction;
  mask_ = mask;
  arrived_ |= 1u << lane;
  std::array<u64, 32>& values = values_[meetings_ % 2];
  values[lane] = value;
  if (arrived_ != mask) {
    wait(*this);
  } else {
    arrived_ = 0;
    meetings_++;
    wake(*this);
  }
  return values.data();
}

std::string WarpMeeting::describe() const { return std::string("the other lanes at ") + instruction_; }

Warpgroup::Warpgroup() = default;
Warpgroup::~Warpgroup() = default;

Block::Block(const Shape& shape, int rank, const std::vector<std::unique_ptr<Block>>& cluster)
    : rank_(rank), cluster_(cluster), threads_(shape.threads()), dynamic_bytes_(shape.shared_bytes) {
  for (u32 i = 0; i < shape.threads(); i++) threads_[i].block = this, threads_[i].index = i;
  shared_ = static_cast<u8*>(std::aligned_alloc(1024, (shared_limit + 1023) / 1024 * 1024));
  if (shared_ == nullptr) throw std::bad_alloc();
  used_bytes_ = shared_limit;
  for (int id = 0; id < 16; id++) named_.emplace_back(id == 0 ? "__syncthreads" : "named barrier " + std::to_string(id));
}

Block::~Block() { std::free(shared_); }

void Block::begin(dim3 position) {
  position_ = position;
  live_ = static_cast<u32>(threads_.size());
  std::memset(shared_, poison, used_bytes_);
  used_bytes_ = dynamic_bytes_;
  arrays_.clear();
  unfenced_.assign(unfenced_.size(), 0);
  being_read_.clear();
  barriers_.clear();
  warps_.clear();
  warps_.resize((threads_.size() + 31) / 32);
  warpgroups_.clear();
  warpgroups_.resize((threads_.size() + 127) / 128);
  pending_.clear();
  pending_.resize(threads_.size());
}

void Block::thread_ended(Thread& thread) {
  const Pending& left = pending(thread);
  if (left.stores.count != left.stores_started) fail("store-not-waited-for", "a thread ended before its bulk stores had read the shared memory of its block");
  live_--;
  named_[0].expect(live_);
  Meeting& cluster = whole_cluster();
  u32 all = 0;
  for (const auto& block : cluster_) all += block->live_;
  cluster.expect(all);
}

void Block::end() {
  for (const Warpgroup& group : warpgroups_) {
    if (!group.ops.empty()) fail("wgmma-diverged", "a block ended with a wgmma that not all threads of its warpgroup have issued, or that is not done");
  }
}

Block& Block::of_cluster(u32 rank) const {
  if (rank >= cluster_.size()) fail("outside-cluster", "thread block " + std::to_string(rank) + " of a cluster of " + std::to_string(cluster_.size()));
  return *cluster_[rank];
}

u8* Block::memory_at(u32 address, u32 bytes, u32 alignment, const char* user) {
  if (has_ended()) fail("block-ended", std::string(user) + " in the shared memory of a thread block that has ended");
  if (address < shared_base || address + bytes > shared_base + used_bytes_ || address + bytes < address) {
    fail("outside-shared-memory", std::string(user) + " at " + hex(address) + ", " + std::to_string(bytes) + " bytes; shared memory ends at " + hex(shared_base + used_bytes_));
  }
  if (address % alignment != 0) fail("misaligned", std::string(user) + " at " + hex(address) + ", which is no multiple of " + std::to_string(alignment));
  return shared_ + (address - shared_base);
}

u32 Block::address_of(const void* pointer) const {
  const auto* at = static_cast<const u8*>(pointer);
  if (at < shared_ || at >= shared_ + used_bytes_) fail("outside-shared-memory", "the shared address of what is not in shared memory");
  return static_cast<u32>(at - shared_) + shared_base;
}

void* Block::shared_array(const char* file, int line, u32 bytes) {
  const auto [found, fresh] = arrays_.try_emplace({file, line}, (used_bytes_ + 1023) / 1024 * 1024);
  if (fresh) {
    used_bytes_ = found->second + bytes;
    if (used_bytes_ > shared_limit) fail("outside-shared-memory", std::to_string(used_bytes_) + " bytes of shared memory are more than a thread block has");
  }
  return shared_ + found->second;
}

void Block::note_write(u32 address, u32 bytes, Thread& thread) {
  for (const auto& [first, count] : being_read_) {
    if (address < first + count && first < address + bytes) fail("overwritten", hex(address) + " is written while a bulk store that nobody waited for reads it");
  }
  if (unfenced_.empty()) unfenced_.resize(shared_limit / 4 + 1);
  for (u32 word = (address - shared_base) / 4; word < (address - shared_base + bytes) / 4; word++) {
    unfenced_[word] = static_cast<u16>(thread.index + 1);
    pending(thread).unfenced.push_back(word);
  }
}

void Block::fence_writes(Thread& thread) {
  for (const u32 word : pending(thread).unfenced) {
    if (unfenced_[word] == thread.index + 1) unfenced_[word] = 0;
  }
  pending(thread).unfenced.clear();
}

void Block::require_visible(u32 address, u32 bytes, const char* reader) const {
  if (unfenced_.empty()) return;
  for (u32 word = (address - shared_base) / 4; word < (address - shared_base + bytes + 3) / 4; word++) {
    if (unfenced_[word] == 0) continue;
    fail("missing-proxy-fence", std::string(reader) + " reads " + hex(word * 4 + shared_base) + ", which thread " + std::to_string(unfenced_[word] - 1) +
                                    " wrote without fence.proxy.async");
  }
}

Barrier& Block::barrier_at(u32 address) {
  memory_at(address, 8, 8, "an mbarrier");
  const auto found = barriers_.find(address);
  if (found == barriers_.end()) fail("no-barrier", "no mbarrier is initialized at " + hex(address));
  return found->second;
}

void Block::init_barrier(u32 address, u32 arrivals) {
  memory_at(address, 8, 8, "an mbarrier");
  if (!barriers_.try_emplace(address, address, arrivals).second) fail("barrier-initialized", "the mbarrier at " + hex(address) + " is initialized twice");
  pending(current()).unpublished.push_back(address);
}

void Block::publish_barriers(Thread& thread) {
  for (const u32 address : pending(thread).unpublished) barrier_at(address).published = true;
  pending(thread).unpublished.clear();
}

Meeting& Block::named(int id) {
  if (id < 0 || id > 15) fail("no-barrier", "there is no named barrier " + std::to_string(id));
  return named_[static_cast<std::size_t>(id)];
}

}  // namespace fp8lab::emulator
