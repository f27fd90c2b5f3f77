#include "parallel.h"

#include <sched.h>

#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace fp8lab::host {

int thread_count(int asked) {
  if (asked > 0) return asked;
  // A container or job scheduler may give fewer cores than the machine has.
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0 && CPU_COUNT(&allowed) > 0) return CPU_COUNT(&allowed);
  const unsigned cores = std::thread::hardware_concurrency();
  return cores == 0 ? 1 : static_cast<int>(cores);
}

void parallel_for(int threads, i64 count, const std::function<void(i64)>& body) {
  const i64 workers = least<i64>(thread_count(threads), count);
  if (workers <= 1) {
    for (i64 i = 0; i < count; i++) body(i);
    return;
  }
  std::atomic<i64> next = 0;
  std::exception_ptr failure;
  std::mutex guard;
  const auto work = [&] {
    try {
      for (i64 i = next++; i < count; i = next++) body(i);
    } catch (...) {
      const std::lock_guard lock(guard);
      if (!failure) failure = std::current_exception();
      next = count;
    }
  };
  std::vector<std::thread> pool;
  for (i64 i = 1; i < workers; i++) pool.emplace_back(work);
  work();
  for (std::thread& thread : pool) thread.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace fp8lab::host
