#pragma once

#include <atomic>
#include <thread>
#include <utility>

namespace bench {

/// Repeats `work` on a thread of its own until destroyed.
class Background {
 public:
  template <typename Work>
  explicit Background(Work work)
      : thread_([this, work = std::move(work)]() mutable {
          while (!stopped_.load(std::memory_order_relaxed)) work();
        }) {}
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;
  ~Background() {
    stopped_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stopped_ = false;
  std::thread thread_;
};

}  // namespace bench
