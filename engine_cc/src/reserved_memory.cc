#include "freshet/reserved_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <new>

namespace freshet {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kMaxStep = std::size_t{16} << 20;

constexpr std::size_t round_up(std::size_t value, std::size_t unit) {
  return (value + unit - 1) / unit * unit;
}

std::size_t page_bytes() noexcept {
  static const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

void touch_pages([[maybe_unused]] std::byte* from, [[maybe_unused]] std::size_t bytes) noexcept {
#ifdef MADV_POPULATE_WRITE
  madvise(from, bytes, MADV_POPULATE_WRITE);
#endif
}

}  // namespace

std::size_t ReservedMemory::ample_bytes() noexcept {
  const auto physical = static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)) * page_bytes();
  return std::max(2 * physical, std::size_t{64} << 30);
}

ReservedMemory::ReservedMemory(std::size_t max_bytes, PageWarmer* warmer) : warmer_(warmer) {
  const std::size_t wanted = round_up(std::max(max_bytes, kHugePage), kHugePage);
  for (std::size_t bytes = wanted; bytes >= std::max(wanted / 16, kHugePage); bytes /= 2) {
    void* const at = mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) continue;
    mapping_ = static_cast<std::byte*>(at);
    mapped_bytes_ = bytes + kHugePage;
    const auto address = reinterpret_cast<std::uintptr_t>(at);
    data_ = mapping_ + (round_up(address, kHugePage) - address);
    capacity_ = bytes;
    return;
  }
  throw std::bad_alloc();
}

ReservedMemory::~ReservedMemory() { munmap(mapping_, mapped_bytes_); }

void ReservedMemory::grow_to(std::size_t bytes) {
  if (bytes <= size()) return;
  if (bytes > capacity_) throw std::bad_alloc();
  const std::size_t step = std::clamp(round_up(bytes / 16, kHugePage), kHugePage, kMaxStep);
  if (bytes > warmed_) {  // nobody warmed it: it is touched as it is used
    advise_huge(warmed_, round_up(bytes, kHugePage));
    warmed_ = std::min(round_up(bytes, kHugePage), capacity_);
  }
  if (warmer_ != nullptr && bytes > kHugePage && warmed_ - bytes < step) {
    const std::size_t to = std::min(warmed_ + step, capacity_);
    advise_huge(warmed_, to);
    warmer_->warm(data_ + warmed_, to - warmed_);
    warmed_ = to;
  }
  size_.store(bytes, std::memory_order_relaxed);
}

void ReservedMemory::warm(std::size_t from, std::size_t to) noexcept {
  to = std::min(round_up(to, kHugePage), capacity_);
  from = from / kHugePage * kHugePage;
  if (from >= to) return;
  if (to > warmed_) {
    advise_huge(warmed_, to);
    warmed_ = to;
  }
  touch_pages(data_ + from, to - from);
}

void ReservedMemory::advise_huge([[maybe_unused]] std::size_t from,
                                 [[maybe_unused]] std::size_t to) noexcept {
#ifdef MADV_HUGEPAGE
  // Not the first page of all, so that a small table stays small. Only speed depends on the answer.
  from = std::max(from, kHugePage);
  if (from < to) madvise(data_ + from, to - from, MADV_HUGEPAGE);
#endif
}

void ReservedMemory::release(std::size_t offset, std::size_t bytes) noexcept {
  const std::size_t from = round_up(offset, page_bytes());
  const std::size_t to = (offset + bytes) / page_bytes() * page_bytes();
  if (from < to) madvise(data_ + from, to - from, MADV_DONTNEED);
}

void PageWarmer::stop() noexcept {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void PageWarmer::warm(std::byte* from, std::size_t bytes) noexcept {
#ifdef MADV_POPULATE_WRITE
  try {
    const std::lock_guard lock(mutex_);
    if (num_waiting_ == kMaxWaiting || stopping_) return;
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    waiting_[num_waiting_++] = {from, bytes};
  } catch (const std::exception&) {
    return;  // no thread to be had: the pages are touched when they are used
  }
  wake_.notify_one();
#else
  static_cast<void>(from);
  static_cast<void>(bytes);
#endif
}

void PageWarmer::run() noexcept {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return num_waiting_ > 0 || stopping_; });
    if (stopping_) return;
    const Range range = waiting_[0];
    std::copy(waiting_ + 1, waiting_ + num_waiting_, waiting_);
    --num_waiting_;
    lock.unlock();
    for (std::size_t at = 0; at < range.bytes; at += kHugePage) {
      touch_pages(range.from + at, std::min(kHugePage, range.bytes - at));
    }
    lock.lock();
  }
}

}  // namespace freshet
