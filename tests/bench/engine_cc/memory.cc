#include "memory.h"

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>

#include "huge_array.h"

namespace bench {
namespace {

constexpr std::size_t kLarge = std::size_t{1} << 20;
constexpr std::size_t kPage = 4096;

std::atomic<std::size_t> num_large_bytes = 0;
std::atomic<std::size_t> num_small_bytes = 0;

/// Set once, before any thread is started.
char* pool_begin = nullptr;
char* pool_end = nullptr;
std::atomic<char*> pool_next = nullptr;

bool is_of_pool(const void* block) noexcept { return block >= pool_begin && block < pool_end; }

void* of_pool(std::size_t num_bytes) noexcept {
  const std::size_t rounded = (num_bytes + kPage - 1) / kPage * kPage;
  char* block = pool_next.load();
  do {
    if (static_cast<std::size_t>(pool_end - block) < rounded) return nullptr;
  } while (!pool_next.compare_exchange_weak(block, block + rounded));
  return block;
}

void* allocate(std::size_t num_bytes, std::size_t alignment) {
  (num_bytes < kLarge ? num_small_bytes : num_large_bytes) += num_bytes;
  void* block = num_bytes < kLarge || alignment > kPage ? nullptr : of_pool(num_bytes);
  if (block == nullptr &&
      posix_memalign(&block, std::max(alignment, alignof(std::max_align_t)), num_bytes) != 0) {
    throw std::bad_alloc();
  }
  return block;
}

void release(void* block) noexcept {
  if (!is_of_pool(block)) std::free(block);
}

std::size_t status_bytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word != field) continue;
    std::size_t kib = 0;
    status >> kib;
    return kib << 10;
  }
  throw std::runtime_error("/proc/self/status has no " + field);
}

}  // namespace

std::size_t resident_bytes() { return status_bytes("VmRSS:"); }

std::size_t peak_resident_bytes() { return status_bytes("VmHWM:"); }

void forget_peak() {
  std::ofstream refs("/proc/self/clear_refs");
  refs << "5";
  refs.close();
  if (!refs) throw std::runtime_error("/proc/self/clear_refs cannot be written, so no peak can be told");
}

Allocated allocated() noexcept { return {num_large_bytes, num_small_bytes}; }

void warm(const Allocated& amount) {
  static HugeArray<char> pool(amount.large_bytes);
  std::memset(pool.data(), 1, amount.large_bytes);
  pool_end = pool.data() + amount.large_bytes;
  pool_next = pool_begin = pool.data();
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
  const std::unique_ptr<void, decltype(&std::free)> block(std::malloc(amount.small_bytes), std::free);
  if (!block) throw std::bad_alloc();
  std::memset(block.get(), 1, amount.small_bytes);
}

void warm_guest(std::size_t num_bytes) {
  HugeArray<char> block(num_bytes);
  std::memset(block.data(), 1, num_bytes);
}

}  // namespace bench

void* operator new(std::size_t num_bytes) { return bench::allocate(num_bytes, alignof(std::max_align_t)); }
void* operator new(std::size_t num_bytes, std::align_val_t alignment) {
  return bench::allocate(num_bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* block) noexcept { bench::release(block); }
void operator delete(void* block, std::size_t) noexcept { bench::release(block); }
void operator delete(void* block, std::align_val_t) noexcept { bench::release(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { bench::release(block); }
