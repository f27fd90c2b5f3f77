#include "thread_transport.h"

#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

namespace fp8lab::moe {

namespace {

/** Another rank has failed: this one has nothing to say. */
struct Ended {};

/** What the ranks share: a place for each message, and a barrier that a failed rank opens for good. */
class Meeting {
 public:
  explicit Meeting(int ranks) : ranks_(ranks), messages(static_cast<std::size_t>(ranks) * static_cast<std::size_t>(ranks)) {}

  void wait() {
    std::unique_lock lock(mutex_);
    if (failed_) throw Ended{};
    const u64 turn = turn_;
    if (++arrived_ == ranks_) {
      arrived_ = 0;
      turn_++;
      changed_.notify_all();
    } else {
      changed_.wait(lock, [&] { return turn_ != turn || failed_; });
      if (turn_ == turn) throw Ended{};
    }
  }

  void fail(std::exception_ptr error) {
    const std::scoped_lock lock(mutex_);
    if (!failed_) error_ = std::move(error);
    failed_ = true;
    changed_.notify_all();
  }

  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

  Bytes& message(int from, int to) { return messages[static_cast<std::size_t>(from) * static_cast<std::size_t>(ranks_) + static_cast<std::size_t>(to)]; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int ranks_, arrived_ = 0;
  u64 turn_ = 0;
  bool failed_ = false;
  std::exception_ptr error_;
  Parts messages;
};

class ThreadTransport : public Transport {
 public:
  ThreadTransport(Meeting& meeting, int rank, int size) : meeting_(meeting), rank_(rank), size_(size) {}

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  Parts all_gather(const Bytes& bytes) override { return exchange(Parts(static_cast<std::size_t>(size_), bytes)); }

  Parts exchange(const Parts& parts) override {
    for (int to = 0; to < size_; to++) meeting_.message(rank_, to) = parts[static_cast<std::size_t>(to)];
    meeting_.wait();
    Parts received;
    for (int from = 0; from < size_; from++) received.push_back(std::move(meeting_.message(from, rank_)));
    // No rank writes its next messages before all have taken these.
    meeting_.wait();
    return received;
  }

  void abort(int) override {}

 private:
  Meeting& meeting_;
  int rank_, size_;
};

}  // namespace

void run_as_threads(int ranks, const std::function<void(Transport&)>& body) {
  Meeting meeting(ranks);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; rank++) {
    threads.emplace_back([&, rank] {
      try {
        ThreadTransport transport(meeting, rank, ranks);
        body(transport);
      } catch (const Ended&) {
      } catch (...) {
        meeting.fail(std::current_exception());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  meeting.rethrow();
}

}  // namespace fp8lab::moe
