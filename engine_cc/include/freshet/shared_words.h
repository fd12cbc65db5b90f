#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <thread>

#if defined(__SANITIZE_THREAD__)
#define FRESHET_CHECKED_WORDS 1
#else
#define FRESHET_CHECKED_WORDS 0
#endif

namespace freshet {

/// Words that one thread may read while another writes them. Readers validate afterwards (see SegmentVersions) or
/// accept words of different age, but never a word that was half written. Everywhere relaxed; on x86-64 these are
/// plain moves.
inline std::uint32_t load_word(const std::uint32_t& word) noexcept {
  return std::atomic_ref<std::uint32_t>(const_cast<std::uint32_t&>(word)).load(std::memory_order_relaxed);
}

inline void store_word(std::uint32_t& word, std::uint32_t value) noexcept {
  std::atomic_ref<std::uint32_t>(word).store(value, std::memory_order_relaxed);
}

/// The same for loops that the compiler turns into vector gathers, for which it knows no atomic form. Aligned words are
/// whole on the processors we run on; fence_acquire keeps the reads in their place.
inline std::uint32_t peek_word(const std::uint32_t& word) noexcept {
#if FRESHET_CHECKED_WORDS
  return std::atomic_ref<std::uint32_t>(const_cast<std::uint32_t&>(word)).load(std::memory_order_acquire);
#else
  return word;
#endif
}

/// Copies bytes that another thread may be writing, or bytes that another thread may be reading. Under the thread
/// sanitizer word by word, so that it knows the accesses for what they are; otherwise by the widest moves there are,
/// of which every aligned word is whole on the processors we run on. `num_bytes` and both addresses of shared memory
/// are multiples of 4 except for a tail of single bytes.
inline void load_shared(void* to, const void* from, std::size_t num_bytes) noexcept {
#if FRESHET_CHECKED_WORDS
  auto* target = static_cast<unsigned char*>(to);
  auto* source = static_cast<const unsigned char*>(from);
  for (; num_bytes >= 4; num_bytes -= 4, target += 4, source += 4) {
    const std::uint32_t word = load_word(*reinterpret_cast<const std::uint32_t*>(source));
    std::memcpy(target, &word, 4);
  }
  for (; num_bytes > 0; --num_bytes) {
    *target++ =
        std::atomic_ref<unsigned char>(const_cast<unsigned char&>(*source++)).load(std::memory_order_relaxed);
  }
#else
  std::memcpy(to, from, num_bytes);
#endif
}

inline void store_shared(void* to, const void* from, std::size_t num_bytes) noexcept {
#if FRESHET_CHECKED_WORDS
  auto* target = static_cast<unsigned char*>(to);
  auto* source = static_cast<const unsigned char*>(from);
  for (; num_bytes >= 4; num_bytes -= 4, target += 4, source += 4) {
    std::uint32_t word;
    std::memcpy(&word, source, 4);
    store_word(*reinterpret_cast<std::uint32_t*>(target), word);
  }
  for (; num_bytes > 0; --num_bytes) {
    std::atomic_ref<unsigned char>(*target++).store(*source++, std::memory_order_relaxed);
  }
#else
  std::memcpy(to, from, num_bytes);
#endif
}

/// Keeps the compiler from moving accesses of shared memory across it; x86-64 needs no instruction for either.
inline void fence_acquire() noexcept {
#if !FRESHET_CHECKED_WORDS
  std::atomic_thread_fence(std::memory_order_acquire);
#endif
}
inline void fence_release() noexcept {
#if !FRESHET_CHECKED_WORDS
  std::atomic_thread_fence(std::memory_order_release);
#endif
}

/// Asks for a line that is about to be written. Without -mprfchw, which the baseline lacks, the compiler's own prefetch
/// would only ask to read, and rows written that way were measured at little more than half the rate; every x86-64
/// processor takes the instruction, if only as none.
inline void prefetch_to_write(const void* line) noexcept {
#if defined(__x86_64__)
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(line)));
#else
  __builtin_prefetch(line, 1);
#endif
}

/// Asks for a line that is about to be read. Not the compiler's own: it was seen to take a function that does nothing
/// else for one without effect (GCC 12, by way of its search for pure functions) and to drop the calls of it.
inline void prefetch_to_read(const void* line) noexcept {
#if defined(__x86_64__)
  asm volatile("prefetcht0 %0" : : "m"(*static_cast<const char*>(line)));
#else
  __builtin_prefetch(line);
#endif
}

/// For a loop that waits for another thread's few microseconds of work.
inline void pause_briefly() noexcept {
#if defined(__x86_64__) && !FRESHET_CHECKED_WORDS
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

}  // namespace freshet
