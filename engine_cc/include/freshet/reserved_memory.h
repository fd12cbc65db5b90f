#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <thread>
#include <vector>

namespace freshet {

class PageWarmer;

/// An array that grows in a reserved range of addresses and so never moves. Pages take memory when they are first
/// touched; from 2 MiB on they are huge pages where the system has them. New memory reads as zeros.
///
/// `grow_to` needs exclusion against itself; `size()` and memory below it may be used by any thread meanwhile.
class ReservedMemory {
 public:
  /// Reserves addresses for `max_bytes`, less when the system refuses so much (then `capacity()` tells). Throws
  /// std::bad_alloc when it refuses even a sixteenth. `warmer` may be null and outlives this object.
  ReservedMemory(std::size_t max_bytes, PageWarmer* warmer);
  ~ReservedMemory();
  ReservedMemory(const ReservedMemory&) = delete;
  ReservedMemory& operator=(const ReservedMemory&) = delete;

  std::byte* data() const noexcept { return data_; }
  std::size_t capacity() const noexcept { return capacity_; }
  std::size_t size() const noexcept { return size_.load(std::memory_order_relaxed); }

  /// Makes the first `bytes` usable and has the pages that will be wanted next touched in the background, because a
  /// first touch costs more than what is then written. Throws std::bad_alloc beyond the capacity, changing nothing.
  void grow_to(std::size_t bytes);

  /// Touches the pages from `from` up to `to` now, as far as the capacity goes. Needs exclusion as `grow_to` does.
  void warm(std::size_t from, std::size_t to) noexcept;

  /// Gives the whole pages inside a range back to the system; they read as zeros afterwards.
  void release(std::size_t offset, std::size_t bytes) noexcept;

  /// Twice the physical memory, at least 64 GiB: a range that no table outgrows before memory runs out.
  static std::size_t ample_bytes() noexcept;

 private:
  void advise_huge(std::size_t from, std::size_t to) noexcept;

  std::byte* mapping_ = nullptr;
  std::size_t mapped_bytes_ = 0;
  std::byte* data_ = nullptr;
  std::size_t capacity_ = 0;
  std::atomic<std::size_t> size_ = 0;
  std::size_t warmed_ = 0;
  PageWarmer* warmer_;
};

/// One background thread that touches pages before they are needed. Thread safe. The thread starts with the first
/// request, so a small table has none, and ends with this object.
class PageWarmer {
 public:
  PageWarmer() = default;
  ~PageWarmer() { stop(); }
  PageWarmer(const PageWarmer&) = delete;
  PageWarmer& operator=(const PageWarmer&) = delete;

  /// Ends the thread. To be called before memory that it may be touching is unmapped.
  void stop() noexcept;

  /// Asks for pages; never throws and never waits: without a thread, or with too many requests, it does nothing.
  void warm(std::byte* from, std::size_t bytes) noexcept;

 private:
  struct Range {
    std::byte* from;
    std::size_t bytes;
  };
  static constexpr std::size_t kMaxWaiting = 16;

  void run() noexcept;

  std::mutex mutex_;
  std::condition_variable wake_;
  Range waiting_[kMaxWaiting];
  std::size_t num_waiting_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace freshet
