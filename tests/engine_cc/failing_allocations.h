#pragma once

// Replaces the allocation functions of the program: to be included by its one source.

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace freshet::testing {

inline constexpr long kNever = -1;
inline long allocations_until_failure = kNever;
inline std::size_t num_bytes_held = 0;
inline std::size_t num_bytes_allocated = 0;  // since the program began
inline constexpr std::size_t kSizeHeader = alignof(std::max_align_t);

/// While one lives, no allocation fails.
class Reprieve {
 public:
  Reprieve() : kept_(allocations_until_failure) { allocations_until_failure = kNever; }
  ~Reprieve() { allocations_until_failure = kept_; }
  Reprieve(const Reprieve&) = delete;
  Reprieve& operator=(const Reprieve&) = delete;

 private:
  long kept_;
};

}  // namespace freshet::testing

// Not inlined, or the compiler sees a free of what it takes for another allocator's memory.
__attribute__((noinline)) void* operator new(std::size_t size) {
  using namespace freshet::testing;
  if (allocations_until_failure == 0) throw std::bad_alloc();
  if (allocations_until_failure > 0) --allocations_until_failure;
  auto* const memory = static_cast<char*>(std::malloc(size + kSizeHeader));
  if (memory == nullptr) throw std::bad_alloc();
  *reinterpret_cast<std::size_t*>(memory) = size;
  num_bytes_held += size;
  num_bytes_allocated += size;
  return memory + kSizeHeader;
}
__attribute__((noinline)) void operator delete(void* memory) noexcept {
  using namespace freshet::testing;
  if (memory == nullptr) return;
  char* const start = static_cast<char*>(memory) - kSizeHeader;
  num_bytes_held -= *reinterpret_cast<std::size_t*>(start);
  std::free(start);
}
/// The size lies in front of the memory, as above, and the start of all is that much further in front as alignment asks.
__attribute__((noinline)) void* operator new(std::size_t size, std::align_val_t alignment) {
  using namespace freshet::testing;
  if (allocations_until_failure == 0) throw std::bad_alloc();
  if (allocations_until_failure > 0) --allocations_until_failure;
  const auto step = std::max(static_cast<std::size_t>(alignment), kSizeHeader);
  auto* const start = static_cast<char*>(std::aligned_alloc(step, (size + 2 * step - 1) / step * step));
  if (start == nullptr) throw std::bad_alloc();
  *reinterpret_cast<std::size_t*>(start + step - kSizeHeader) = size;
  num_bytes_held += size;
  num_bytes_allocated += size;
  return start + step;
}
__attribute__((noinline)) void operator delete(void* memory, std::align_val_t alignment) noexcept {
  using namespace freshet::testing;
  if (memory == nullptr) return;
  num_bytes_held -= *reinterpret_cast<std::size_t*>(static_cast<char*>(memory) - kSizeHeader);
  std::free(static_cast<char*>(memory) - std::max(static_cast<std::size_t>(alignment), kSizeHeader));
}
// The other forms by name, for the sanitizers bring their own, which do not come by here.
void* operator new[](std::size_t size) { return operator new(size); }
void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }
void operator delete[](void* memory) noexcept { operator delete(memory); }
void operator delete[](void* memory, std::size_t) noexcept { operator delete(memory); }
void* operator new[](std::size_t size, std::align_val_t alignment) { return operator new(size, alignment); }
void operator delete(void* memory, std::size_t, std::align_val_t alignment) noexcept {
  operator delete(memory, alignment);
}
void operator delete[](void* memory, std::align_val_t alignment) noexcept {
  operator delete(memory, alignment);
}
void operator delete[](void* memory, std::size_t, std::align_val_t alignment) noexcept {
  operator delete(memory, alignment);
}
