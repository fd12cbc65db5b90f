#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "freshet/mix.h"

namespace freshet {

/// A collisionless map from any 64-bit key (0 and 2^64-1 included) to a row number.
///
/// An extendible directory (Fagin et al., 1979) of segments of fixed size. The top bits of a key's hash
/// choose the segment, its low bits the home bucket in it; a bucket is one cache line of five cells. A
/// segment that reaches its own load splits in two, so growing costs one segment at a time and never a rehash
/// of everything. The loads at which segments split differ from each other, so that splits do not all fall
/// into the same batch.
///
/// Invariants:
///  - a key is in at most one cell, between its home bucket and the first bucket with `num_passed` 0, inclusive;
///  - `num_passed` of a bucket counts the keys that start at or before it and lie behind it; an erase takes
///    them back, so there are no tombstones: under lasting inserts and erases the buckets read beyond the home
///    bucket settle (0.2 to 0.9 a key measured, against 0.2 after inserts alone) and do not grow;
///  - a segment of depth d is pointed at by 2^(global depth - d) neighbouring directory entries.
///
/// `salt` decides where keys lie and nothing else; give it a secret random value where keys come from
/// strangers, so that nobody can choose keys that fill one segment. Even then the directory stays within
/// `kMaxSpread` entries a segment: a segment that may not split fills up, and `insert` throws
/// std::length_error when it is full.
///
/// Find, insert and erase are O(1) expected; a split moves at most `kCells` keys. Not thread safe: const
/// methods may run together, others need exclusion. Segments are never merged: memory of erased keys is
/// reused, not returned.
class KeyIndex {
 public:
  static constexpr std::uint32_t kAbsent = UINT32_MAX;

  explicit KeyIndex(std::uint64_t salt);

  std::uint64_t hash(std::uint64_t key) const noexcept { return mix64(key ^ salt_); }

  /// Asks for the home bucket of a hash ahead of `find`.
  void prefetch(std::uint64_t hash) const noexcept {
    __builtin_prefetch(&segment_of(hash).buckets[hash & kBucketMask]);
  }

  /// The key's row number or `kAbsent`. `hash` must be `hash(key)`.
  std::uint32_t find(std::uint64_t key, std::uint64_t hash) const noexcept;

  /// Adds a key that is absent. Strong guarantee: std::bad_alloc and std::length_error leave the keys as they
  /// were.
  void insert(std::uint64_t key, std::uint64_t hash, std::uint32_t row);

  /// Removes the key; answers the row it had, or `kAbsent`.
  std::uint32_t erase(std::uint64_t key, std::uint64_t hash) noexcept;

  std::size_t size() const noexcept { return size_; }
  std::size_t num_segments() const noexcept { return segments_.size(); }
  std::size_t memory_bytes() const noexcept;

  /// Buckets that keys of the index lie beyond their home, in all; divided by `size()`, what a lookup reads
  /// beside the home bucket. Walks the whole index: for tests and measurement.
  std::size_t num_passed() const noexcept;

 private:
  static constexpr std::size_t kBucketCells = 5;
  static constexpr std::size_t kBuckets = 4096;
  static constexpr std::size_t kBucketMask = kBuckets - 1;
  static constexpr std::size_t kCells = kBuckets * kBucketCells;
  static constexpr std::size_t kMaxSpread = 16;

  struct alignas(64) Bucket {
    std::array<std::uint64_t, kBucketCells> keys;
    std::array<std::uint32_t, kBucketCells> rows;  // kAbsent marks an empty cell
    std::uint32_t num_passed;
  };
  static_assert(sizeof(Bucket) == 64);

  struct Segment {
    Segment(std::uint64_t prefix, unsigned depth) noexcept;

    std::array<Bucket, kBuckets> buckets;
    std::size_t num_keys = 0;
    std::uint64_t prefix;  // the top `depth` bits shared by the hashes of its keys
    unsigned depth;
    std::size_t split_at;

    void place(std::uint64_t key, std::uint64_t hash, std::uint32_t row) noexcept;
    std::uint32_t remove(std::uint64_t key, std::uint64_t hash) noexcept;
  };

  Segment& segment_of(std::uint64_t hash) const noexcept { return *directory_[hash >> (64 - depth_)]; }
  bool split(Segment& full);
  bool grow_directory();
  static std::size_t split_load(std::uint64_t prefix, unsigned depth) noexcept;

  std::uint64_t salt_;
  unsigned depth_ = 1;  // never 0: a shift by 64 bits has no meaning
  std::size_t size_ = 0;
  std::vector<Segment*> directory_;
  std::vector<std::unique_ptr<Segment>> segments_;
};

}  // namespace freshet
