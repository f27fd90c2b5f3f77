#pragma once
// Threads of a cluster of thread blocks as fibers, one at a time, in an order drawn from a seed: a thread runs until it waits for others. Copies and products
// that the hardware does beside the threads are done somewhere between their start and the wait for them, drawn from the seed too.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../numerics/hd.h"

/** Extents of a grid or a thread block, as in CUDA C++. */
struct dim3 {
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
  unsigned x, y, z;
};

/** Those of the running thread. */
extern dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace fp8lab::emulator {

class Block;
class Fiber;
struct Thread;

/** Something that threads wait for. */
class Waitable {
 public:
  virtual ~Waitable() = default;
  /** What an error says of it: its name and what it still lacks. */
  virtual std::string describe() const = 0;

 private:
  friend class Scheduler;
  std::vector<Thread*> waiting_;
};

struct Thread {
  Block* block = nullptr;
  u32 index = 0;
  Waitable* waits_for = nullptr;
  std::shared_ptr<Fiber> fiber;
};

/** What a launch has. */
struct Shape {
  dim3 grid;
  dim3 block;
  u32 shared_bytes;
  int cluster;

  u32 threads() const { return block.x * block.y * block.z; }
};

/** Runs a kernel's body for every thread. Throws Error where threads wait for what never comes, or misuse what they synchronize with. */
void run_kernel(const Shape& shape, const std::function<void()>& body);

/** The running thread, within a kernel. */
Thread& current();
/** Suspends the running thread until `waitable` is woken. */
void wait(Waitable& waitable);
/** Lets all that wait go on. */
void wake(Waitable& waitable);
/** What the hardware does beside the threads. */
enum class Beside : u8 { load, store, product };
/** Work done beside the threads at some later time; works of the same `order` are done one after the other. */
void defer(Beside kind, const void* order, std::function<void()> work);

/** Ends the run with an error that names the thread. */
[[noreturn]] void fail(const std::string& code, const std::string& message);

/** Synchronization that can be left out of all kernels, as if their sources had forgotten it: what the emulator must notice. */
enum class Omission : u8 {
  syncthreads,
  named_barrier,
  cluster_barrier,
  init_fence,
  expected_bytes,
  proxy_fence,
  store_wait_read,
  store_wait,
  wgmma_fence,
  wgmma_wait,
  full_wait,
  swizzle
};
/** Whether FP8LAB_EMULATOR_WITHOUT, names with commas between, has this one. */
bool left_out(Omission omission);
/** FP8LAB_EMULATOR_SEED, default 1. */
u64 seed();

}  // namespace fp8lab::emulator
