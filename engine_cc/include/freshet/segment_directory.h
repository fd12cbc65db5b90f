#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace freshet {

/// Which segment holds the keys whose hashes begin with given bits: 2^depth entries, read without a lock.
///
/// A version that was outgrown is kept for readers that still hold it; together they are as large as the newest.
/// `segment_of` may run beside everything; the other methods need exclusion among themselves.
class SegmentDirectory {
 public:
  SegmentDirectory(unsigned depth, const std::vector<std::uint32_t>& segments);

  /// What a batch of readers looks at: the newest entries at the time of the call.
  struct View {
    const std::uint32_t* segments;  // for load_word or peek_word
    unsigned shift;
  };

  View view() const noexcept {
    const Entries* const entries = newest_.load(std::memory_order_acquire);
    return {entries->segments.get(), entries->shift};
  }
  std::uint32_t segment_of(std::uint64_t hash) const noexcept {
    const View entries = view();
    return std::atomic_ref<std::uint32_t>(const_cast<std::uint32_t&>(entries.segments[hash >> entries.shift]))
        .load(std::memory_order_acquire);
  }

  unsigned depth() const noexcept { return 64 - newest_.load(std::memory_order_relaxed)->shift; }
  std::size_t num_entries() const noexcept { return std::size_t{1} << depth(); }

  /// Twice as many entries. Strong guarantee.
  void grow();

  /// Names `segment` for every hash that begins with `prefix` of `prefix_depth` bits, at most `depth()`.
  void set(std::uint64_t prefix, unsigned prefix_depth, std::uint32_t segment) noexcept;

  std::size_t memory_bytes() const noexcept { return 2 * num_entries() * sizeof(std::uint32_t); }

 private:
  struct Entries {
    explicit Entries(unsigned depth)
        : shift(64 - depth), segments(std::make_unique<std::uint32_t[]>(std::size_t{1} << depth)) {}
    unsigned shift;
    std::unique_ptr<std::uint32_t[]> segments;
  };

  std::vector<std::unique_ptr<Entries>> all_;
  std::atomic<Entries*> newest_;
};

}  // namespace freshet
