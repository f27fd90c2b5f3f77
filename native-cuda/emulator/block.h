#pragma once
// A thread block: its shared memory, and what its threads meet at.

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "scheduler.h"

namespace fp8lab::emulator {

/** Threads that wait until `expected` of them are there. */
class Meeting : public Waitable {
 public:
  explicit Meeting(std::string name = "") : name_(std::move(name)) {}
  /** Waits for the last of `expected`. */
  void arrive(u32 expected);
  /** Lets those that wait go on where `expected` have arrived, fewer than before. */
  void expect(u32 expected);
  std::string describe() const override;

 private:
  std::string name_;
  u32 arrived_ = 0;
  u32 expected_ = 0;
};

/** An mbarrier: a phase ends when all arrivals and all bytes that it expects have come. */
class Barrier : public Waitable {
 public:
  Barrier(u32 address, u32 arrivals) : address_(address), arrivals_(arrivals), pending_(arrivals) {}
  void arrive();
  void add_bytes(i64 bytes);
  /** Waits for the end of the phase with this parity. */
  void wait_for(u32 parity);
  std::string describe() const override;

  /** Whether the copy engine and the cluster see that it is initialized. */
  bool published = false;

 private:
  void end_phase();

  u32 address_;
  u32 arrivals_;
  u32 pending_;
  i64 bytes_ = 0;
  u64 phases_ = 0;
};

/** What the lanes of a warp bring to an instruction that all of them take part in. */
class WarpMeeting : public Waitable {
 public:
  /** Waits for all lanes of `mask`; gives what each brought. */
  const u64* arrive(u32 lane, u32 mask, u64 value, const char* instruction);
  std::string describe() const override;

 private:
  const char* instruction_ = "";
  u32 mask_ = 0;
  u32 arrived_ = 0;
  u64 meetings_ = 0;
  /** A lane may bring its next value before another has read the last ones. */
  std::array<std::array<u64, 32>, 2> values_{};
};

/** Asynchronous work of a thread or a warpgroup, done in order; threads wait until so much of it is done. */
class Done : public Waitable {
 public:
  explicit Done(const char* what) : what_(what) {}
  void finish() {
    count++;
    wake(*this);
  }
  std::string describe() const override { return what_ + std::string(", of which ") + std::to_string(count) + " are done"; }

  u64 count = 0;

 private:
  const char* what_;
};

struct WgmmaOp;

/** The products of 128 threads. */
struct Warpgroup {
  Warpgroup();
  ~Warpgroup();
  Done done{"wgmma of its warpgroup"};
  /** Those that not all threads have issued, or that are not done; `first` is the first one's number. */
  std::deque<std::shared_ptr<WgmmaOp>> ops;
  u64 first = 0;
};

/** What a thread has started and not waited for. */
struct Pending {
  Done stores{"its bulk stores to read shared memory"};
  u64 stores_started = 0;
  /** Number of stores that were started before each commit, and of wgmma. */
  u64 stores_committed = 0;
  u64 wgmma_issued = 0;
  std::vector<u64> wgmma_commits;
  bool wgmma_fenced = false;
  /** Words of shared memory that it wrote and the copy engine does not see yet. */
  std::vector<u32> unfenced;
  /** Barriers that it initialized and has not made visible. */
  std::vector<u32> unpublished;
};

class Block {
 public:
  /** Shared memory begins there: the system's own 1024 bytes come first. */
  static constexpr u32 shared_base = 1024;

  Block(const Shape& shape, int rank, const std::vector<std::unique_ptr<Block>>& cluster);
  ~Block();
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  /** Poisons its shared memory and forgets all barriers. */
  void begin(dim3 position);
  void thread_ended(Thread& thread);
  /** Checks what the block leaves behind. */
  void end();

  int rank() const { return rank_; }
  u32 index() const { return position_.x + gridDim.x * (position_.y + gridDim.y * position_.z); }
  dim3 position() const { return position_; }
  std::vector<Thread>& threads() { return threads_; }
  bool has_ended() const { return live_ == 0; }
  Block& of_cluster(u32 rank) const;
  u32 cluster_size() const { return static_cast<u32>(cluster_.size()); }
  u32 live() const { return live_; }

  /** `bytes` at an address in its shared memory, which must be a multiple of `alignment`. */
  u8* memory_at(u32 address, u32 bytes, u32 alignment, const char* user);
  u32 address_of(const void* pointer) const;
  u8* dynamic_memory() { return shared_; }
  void* shared_array(const char* file, int line, u32 bytes);

  /** A thread's ordinary write: the copy engine sees it after the thread's fence. Fails where a store of the copy engine may still read the place. */
  void note_write(u32 address, u32 bytes, Thread& thread);
  void fence_writes(Thread& thread);
  /** Fails where the copy engine or a tensor core would read what it cannot see. */
  void require_visible(u32 address, u32 bytes, const char* reader) const;

  /** What a store of the copy engine reads, until it has. */
  void begin_reading(u32 address, u32 bytes) { being_read_.emplace(address, bytes); }
  void end_reading(u32 address) { being_read_.erase(being_read_.find(address)); }

  Barrier& barrier_at(u32 address);
  void init_barrier(u32 address, u32 arrivals);
  void publish_barriers(Thread& thread);

  WarpMeeting& warp(u32 index) { return warps_[index]; }
  Warpgroup& warpgroup(u32 index) { return warpgroups_[index]; }
  Pending& pending(const Thread& thread) { return pending_[thread.index]; }
  Meeting& named(int id);
  Meeting& whole_cluster() { return of_cluster(0).cluster_meeting_; }

 private:
  int rank_;
  const std::vector<std::unique_ptr<Block>>& cluster_;
  dim3 position_;
  std::vector<Thread> threads_;
  u32 live_ = 0;
  u8* shared_ = nullptr;
  u32 dynamic_bytes_;
  u32 used_bytes_ = 0;
  std::map<std::pair<const char*, int>, u32> arrays_;
  /** Of each word: 1 + the thread whose write is not fenced, or 0. */
  std::vector<u16> unfenced_;
  std::multimap<u32, u32> being_read_;
  std::map<u32, Barrier> barriers_;
  std::deque<WarpMeeting> warps_;
  std::deque<Warpgroup> warpgroups_;
  std::deque<Pending> pending_;
  std::vector<Meeting> named_;
  Meeting cluster_meeting_{"the barrier of the cluster"};
};

/** Of the running thread's block. */
inline u8* dynamic_memory() { return current().block->dynamic_memory(); }
template <class T>
T* shared_array(const char* file, int line, u32 count) {
  return static_cast<T*>(current().block->shared_array(file, line, static_cast<u32>(count * sizeof(T))));
}

}  // namespace fp8lab::emulator
