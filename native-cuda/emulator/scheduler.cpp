#include "scheduler.h"

#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <exception>
#include <map>
#include <queue>

#include "../errors.h"
#include "block.h"

dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace fp8lab::emulator {

namespace {

/** splitmix64. */
class Random {
 public:
  explicit Random(u64 seed) : state_(seed * 0x9e3779b97f4a7c15ull) {}
  u64 next() {
    u64 z = state_ += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  u64 below(u64 count) { return next() % count; }

 private:
  u64 state_;
};

std::vector<std::string> words_of(const char* list) {
  std::vector<std::string> words(1);
  for (const char* at = list == nullptr ? "" : list; *at != 0; at++) {
    if (*at == ',') {
      words.emplace_back();
    } else {
      words.back() += *at;
    }
  }
  return words;
}

u32 read_omissions() {
  static const char* const names[] = {"syncthreads", "named-barrier",   "cluster-barrier", "init-fence",  "expected-bytes", "proxy-fence",
                                      "store-wait-read", "store-wait", "wgmma-fence",     "wgmma-wait", "full-wait",      "swizzle"};
  u32 omitted = 0;
  for (const std::string& word : words_of(std::getenv("FP8LAB_EMULATOR_WITHOUT"))) {
    if (word.empty()) continue;
    const auto found = std::find(std::begin(names), std::end(names), word);
    if (found == std::end(names)) throw Error(ErrorKind::usage, "bad-value", "unknown synchronization " + word, "FP8LAB_EMULATOR_WITHOUT", "see emulator/scheduler.cpp");
    omitted |= 1u << (found - std::begin(names));
  }
  return omitted;
}

}  // namespace

bool left_out(Omission omission) {
  static const u32 omitted = read_omissions();
  return ((omitted >> static_cast<int>(omission)) & 1) != 0;
}

u64 seed() {
  static const u64 value = std::getenv("FP8LAB_EMULATOR_SEED") == nullptr ? 1 : std::strtoull(std::getenv("FP8LAB_EMULATOR_SEED"), nullptr, 10);
  return value;
}

/** A stack on which one thread after the other runs. Switches save registers alone: no signal mask, no system call. */
class Fiber {
 public:
  Fiber() {
    void* memory = mmap(nullptr, bytes + guard, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    stack_ = static_cast<u8*>(memory);
    // A thread that needs more faults instead of writing into its neighbour.
    mprotect(stack_, guard, PROT_NONE);
    getcontext(&context_);
    context_.uc_stack.ss_sp = stack_ + guard;
    context_.uc_stack.ss_size = bytes;
    context_.uc_link = nullptr;
    makecontext(&context_, begin, 0);
  }
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  ~Fiber() { munmap(stack_, bytes + guard); }

  /** Runs it until it leaves. */
  void enter() {
    if (_setjmp(outside_) != 0) return;
    if (started_) _longjmp(inside_, 1);
    started_ = true;
    setcontext(&context_);
  }
  void leave() {
    if (_setjmp(inside_) == 0) _longjmp(outside_, 1);
  }

 private:
  static constexpr std::size_t bytes = 1 << 16;
  static constexpr std::size_t guard = 1 << 12;

  /** Runs the threads that the scheduler gives it. */
  static void begin();

  u8* stack_;
  ucontext_t context_;
  jmp_buf inside_, outside_;
  bool started_ = false;
};

namespace {

/** Fibers between two threads. */
std::vector<std::shared_ptr<Fiber>> idle;

}  // namespace

/** Runs the blocks of one cluster after another. */
class Scheduler {
 public:
  Scheduler(const Shape& shape, const std::function<void()>& body, Random random) : shape_(shape), body_(body), random_(random) {
    by_warp_ = random_.below(2) == 0;
    const u64 styles[] = {0, 1, 4, 8};
    eagerness_ = styles[random_.below(4)];
    last_ = static_cast<int>(random_.below(4));
    priorities_.resize(static_cast<std::size_t>(shape.cluster) * warps());
    for (int rank = 0; rank < shape.cluster; rank++) blocks_.push_back(std::make_unique<Block>(shape, rank, blocks_));
  }

  void run(u32 first_block) {
    for (u64& priority : priorities_) priority = random_.next();
    for (const auto& block : blocks_) block->begin(block_position(first_block + static_cast<u32>(block->rank())));
    live_ = blocks_.size() * shape_.threads();
    for (const auto& block : blocks_) {
      for (Thread& thread : block->threads()) push(thread);
    }
    while (step()) {
    }
    if (live_ > 0) throw deadlock();
    for (const auto& block : blocks_) block->end();
  }

  Thread& current() { return *current_; }

  void wait(Waitable& waitable) {
    Thread& self = *current_;
    self.waits_for = &waitable;
    waitable.waiting_.push_back(&self);
    self.fiber->leave();
  }

  void wake(Waitable& waitable) {
    for (Thread* thread : waitable.waiting_) {
      thread->waits_for = nullptr;
      push(*thread);
    }
    waitable.waiting_.clear();
  }

  void defer(Beside kind, const void* order, std::function<void()> work) { beside_.push_back({kind, order, std::move(work)}); }

  /** The whole life of the running thread, on its fiber. */
  void run_thread() {
    try {
      body_();
      current_->block->thread_ended(*current_);
    } catch (...) {
      failure_ = std::current_exception();
    }
    current_->fiber->leave();
  }

  std::string place() const {
    const Block* block = current_ == nullptr ? nullptr : current_->block;
    return block == nullptr ? "beside the threads" : "thread " + std::to_string(current_->index) + " of block " + std::to_string(block->index());
  }

 private:
  struct Work {
    Beside kind;
    const void* order;
    std::function<void()> run;
  };
  using Entry = std::pair<u64, Thread*>;

  u32 warps() const { return (shape_.threads() + 31) / 32; }

  dim3 block_position(u32 index) const {
    return {index % shape_.grid.x, index / shape_.grid.x % shape_.grid.y, index / shape_.grid.x / shape_.grid.y};
  }

  /** Warps in a fixed order of importance, so that one runs as far ahead as it can; or any thread at any time. */
  void push(Thread& thread) {
    u64 key = random_.next();
    if (by_warp_) {
      const u64 warp = priorities_[static_cast<u32>(thread.block->rank()) * warps() + thread.index / 32];
      key = (warp & ~0xffffull) | (key & 0xffff);
    }
    ready_.emplace(key, &thread);
  }

  /** Does one thing; false when nothing can be done. */
  bool step() {
    const bool beside = !beside_.empty() && (ready_.empty() || random_.below(8) < eagerness_);
    const std::size_t work = beside ? choose_work() : 0;
    if (beside && (ready_.empty() || !is_last(beside_[work]))) {
      do_beside(work);
    } else if (!ready_.empty()) {
      Thread& thread = *ready_.top().second;
      ready_.pop();
      enter(thread);
    } else {
      return false;
    }
    return true;
  }

  /** Any of the works, of the kind that is left to the end only where there is no other; the first of its order. */
  std::size_t choose_work() {
    std::size_t chosen = random_.below(beside_.size());
    for (std::size_t i = 0; i < beside_.size() && is_last(beside_[chosen]); i++) chosen = i;
    const void* order = beside_[chosen].order;
    for (std::size_t i = 0; order != nullptr && i < chosen; i++) {
      if (beside_[i].order == order) return i;
    }
    return chosen;
  }

  void do_beside(std::size_t chosen) {
    const std::function<void()> run = std::move(beside_[chosen].run);
    beside_.erase(beside_.begin() + static_cast<std::ptrdiff_t>(chosen));
    run();
  }

  bool is_last(const Work& work) const { return static_cast<int>(work.kind) == last_; }

  void enter(Thread& thread) {
    current_ = &thread;
    if (!thread.fiber) thread.fiber = fresh_fiber();
    threadIdx = {thread.index % shape_.block.x, thread.index / shape_.block.x % shape_.block.y, thread.index / shape_.block.x / shape_.block.y};
    blockIdx = thread.block->position();
    thread.fiber->enter();
    current_ = nullptr;
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    if (thread.waits_for != nullptr) return;
    idle.push_back(std::move(thread.fiber));
    live_--;
  }

  std::shared_ptr<Fiber> fresh_fiber() {
    if (idle.empty()) return std::make_shared<Fiber>();
    std::shared_ptr<Fiber> fiber = std::move(idle.back());
    idle.pop_back();
    return fiber;
  }
  /** Who waits for what, threads of the same wait together. */
  Error deadlock() const {
    std::map<std::string, std::vector<u32>> waits;
    for (const auto& block : blocks_) {
      for (const Thread& thread : block->threads()) {
        if (thread.waits_for != nullptr) waits[" of block " + std::to_string(block->index()) + " wait for " + thread.waits_for->describe()].push_back(thread.index);
      }
    }
    std::string text;
    for (const auto& [what, threads] : waits) text += (text.empty() ? "threads " : "; threads ") + ranges(threads) + what;
    return Error(ErrorKind::device, "deadlock", text, "emulator", "every wait needs its arrivals and bytes in every order of threads");
  }

  static std::string ranges(const std::vector<u32>& sorted) {
    std::string text;
    for (std::size_t i = 0; i < sorted.size();) {
      std::size_t last = i;
      while (last + 1 < sorted.size() && sorted[last + 1] == sorted[last] + 1) last++;
      text += (text.empty() ? "" : ", ") + std::to_string(sorted[i]) + (last > i ? "-" + std::to_string(sorted[last]) : "");
      i = last + 1;
    }
    return text;
  }

  const Shape& shape_;
  const std::function<void()>& body_;
  Random random_;
  bool by_warp_;
  /** In eighths: how often work beside the threads goes before them. 0 leaves it until no thread can go on. */
  u64 eagerness_;
  /** A kind of work that is left until there is no other, or 3. */
  int last_;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::priority_queue<Entry> ready_;
  /** Of each warp of each block. */
  std::vector<u64> priorities_;
  std::vector<Work> beside_;
  Thread* current_ = nullptr;
  std::size_t live_ = 0;
  std::exception_ptr failure_;
};

namespace {

Scheduler* running = nullptr;

}  // namespace

void Fiber::begin() {
  for (;;) running->run_thread();
}

Thread& current() { return running->current(); }
void wait(Waitable& waitable) { running->wait(waitable); }
void wake(Waitable& waitable) { running->wake(waitable); }
void defer(Beside kind, const void* order, std::function<void()> work) { running->defer(kind, order, std::move(work)); }

void fail(const std::string& code, const std::string& message) {
  throw Error(ErrorKind::device, code, message, "emulator, " + running->place(), "mend the kernel: the hardware need not notice this");
}

void run_kernel(const Shape& shape, const std::function<void()>& body) {
  static u64 launches = 0;
  Random random(seed() * 1000003 + launches++);
  const u32 blocks = shape.grid.x * shape.grid.y * shape.grid.z, clusters = blocks / static_cast<u32>(shape.cluster);
  if (shape.threads() == 0 || shape.threads() > 1024 || blocks == 0 || shape.grid.y > 65535 || shape.grid.z > 65535 || clusters * static_cast<u32>(shape.cluster) != blocks) {
    throw Error(ErrorKind::device, "invalid-launch", "no such grid: " + std::to_string(blocks) + " blocks of " + std::to_string(shape.threads()) + " threads", "emulator",
                "1 to 1024 threads a block, whole clusters");
  }
  gridDim = shape.grid;
  blockDim = shape.block;
  Scheduler scheduler(shape, body, random);
  running = &scheduler;
  std::vector<u32> order(clusters);
  for (u32 i = 0; i < clusters; i++) {
    const u32 place = static_cast<u32>(random.below(i + 1));
    order[i] = order[place];
    order[place] = i;
  }
  for (const u32 cluster : order) scheduler.run(cluster * static_cast<u32>(shape.cluster));
}

}  // namespace fp8lab::emulator
