#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <vector>

#include "freshet/buckets.h"
#include "freshet/hash_parts.h"
#include "freshet/mix.h"
#include "freshet/reserved_memory.h"
#include "freshet/segment_directory.h"

namespace freshet {

/// A collisionless map from any 64-bit key (0 and 2^64-1 included) to a row number.
///
/// An extendible directory (Fagin et al., 1979) of segments of 34 to 64 KiB in a reserved range that never moves. A
/// segment is an array of buckets of one cache line. A key lies in its home bucket or, displaced, in one other (Pagh and
/// Rodler, 2001, with buckets); a full pair makes room by moving at most three keys. A segment that is nearly full
/// splits in two: its cells keep their buckets, so a split is one pass over the segment and there is never a rehash of
/// everything. The sizes of segments are spread over one doubling (HashParts), so that at any size of the table the
/// mean load is about the same and splits do not fall together.
///
/// Invariants:
///  - a key is in exactly one cell: in its home bucket, or displaced in `HashParts::other` of it;
///  - `num_away` of a bucket counts the displaced keys at home there, or is 255 and then says nothing;
///  - a segment of depth d is named by 2^(directory depth - d) neighbouring directory entries;
///  - while something changes in a way that could mislead a reader, its segment's or shard's version is odd;
///    afterwards it is another.
///
/// `salt` decides where keys lie and nothing else; give it a secret random value where keys come from strangers. Even
/// then the directory stays in proportion to the segments: a segment that may not split fills up, and `insert` throws
/// std::length_error when no place is left.
///
/// Thread safety: the top four bits of a hash are its shard. Methods for the writer need exclusion among themselves by
/// shard (the caller's lock); writers of different shards may run together. `read_batch` and `read` need no lock and
/// run beside writers. O(1) expected each; a split moves at most 4,096 keys (some 30 microseconds).
template <typename Bucket>
class KeyIndex {
 public:
  static constexpr std::uint32_t kAbsent = UINT32_MAX;
  static constexpr std::uint32_t kMaxRows = Bucket::kRowMask;
  static constexpr unsigned kNumShards = 1U << HashParts::kShardBits;

  /// Where a key was found; valid while `num_moves` of its shard stays.
  struct Place {
    Bucket* bucket = nullptr;
    std::uint32_t cell = 0;
    std::uint32_t segment = 0;

    explicit operator bool() const noexcept { return bucket != nullptr; }
    std::uint32_t row() const noexcept { return bucket->row(cell); }
  };

  KeyIndex(std::uint64_t salt, PageWarmer* warmer);

  std::uint64_t hash(std::uint64_t key) const noexcept { return mix64(key ^ salt_); }
  std::uint64_t key(std::uint64_t hash) const noexcept { return unmix64(hash) ^ salt_; }
  std::uint64_t salt() const noexcept { return salt_; }

  /// Calls `copy(position, row)` for each key that is present and `absent(position)` for the others, in no fixed
  /// order and more than once for a position when a writer came between; the last call counts. `ask(row)` prefetches.
  template <typename Ask, typename Copy, typename Absent>
  [[gnu::always_inline]] inline void read_batch(std::span<const std::uint64_t> keys, Ask ask, Copy copy,
                                                Absent absent) const;

  /// Calls `copy(row)` until it ran undisturbed and answers true, or answers false for an absent key.
  template <typename Copy>
  bool read(std::uint64_t hash, Copy copy) const;

  // For the writer of the hash's shard.

  /// The home bucket of a key, present or not; valid while `num_splits` of its shard stays.
  struct Home {
    Bucket* bucket = nullptr;
    std::uint32_t segment = 0;
  };

  Home home(std::uint64_t hash) const noexcept {
    const std::uint32_t segment = segment_of(hash);
    return {home_of(hash, segment), segment};
  }
  void prefetch(std::uint64_t hash) const noexcept { prefetch_to_write(home(hash).bucket); }
  Place find(std::uint64_t hash) const noexcept;
  /// In two steps, so that a batch waits for no bucket: `find_home` looks in the home bucket and otherwise prefetches the
  /// other one for `find_away` when the key may lie there.
  Place find_home(std::uint64_t hash, const Home& home, bool& may_be_away) const noexcept;
  Place find_away(std::uint64_t hash, const Home& home) const noexcept;
  /// Before an `insert`, in two steps: asks for the key's other bucket; and, when both have arrived and are full, for those
  /// that their keys could move to.
  void prefetch_other(std::uint64_t hash, const Home& home) const noexcept {
    prefetch_to_write(other_of(hash, home));
  }
  void prefetch_room(std::uint64_t hash, const Home& home) const noexcept;
  /// Adds an absent key. Strong guarantee.
  Place insert(std::uint64_t hash, std::uint32_t row);
  void erase(const Place& place) noexcept;
  /// While these are the same, the places of the shard's keys are valid, and their homes.
  std::uint32_t num_moves(unsigned shard) const noexcept { return num_moves_[shard]; }
  std::uint32_t num_splits(unsigned shard) const noexcept { return num_splits_[shard]; }
  /// Touches the pages that so many keys will take, now. Growth waits for it.
  void warm(std::size_t num_keys);

  /// Readers of the segment begin anew while one of these lives. Not to be nested.
  class Change {
   public:
    Change(const KeyIndex& index, std::uint32_t segment) noexcept : version_(index.version_of(segment)) {
      version_.store(version_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      fence_release();
    }
    ~Change() { version_.store(version_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;

   private:
    std::atomic<std::uint32_t>& version_;
  };

  std::uint32_t num_segments() const noexcept { return num_segments_.load(std::memory_order_acquire); }
  unsigned shard_of_segment(std::uint32_t segment) const noexcept { return infos()[segment].shard; }

  /// Calls `visit(hash, Place)` for every key of a segment of a shard that the caller holds.
  template <typename Visit>
  void for_each_in_segment(std::uint32_t segment, Visit visit) const;

  /// The same for the keys whose hash begins with the `num_bits` top bits of `from`; at least 4 of them.
  template <typename Visit>
  void for_each_in_range(std::uint64_t from, unsigned num_bits, Visit visit) const;

  std::size_t memory_bytes() const noexcept;

 private:
  static constexpr std::size_t kMinSegmentBytes = HashParts::kMaxBuckets / 2 * sizeof(Bucket);
  static constexpr std::size_t kMaxSpread = 16;  // directory entries for each segment
  // Measured: groups below 512 keys pay for the change from buckets to rows; rows are fastest asked for in bursts.
  static constexpr std::size_t kGroup = 512;
  static constexpr std::uint32_t kAhead = 64;  // buckets asked for before the one that is looked through
  static constexpr std::uint32_t kBurst = 64;  // rows asked for at a time
  static constexpr std::uint32_t kTogether = 8;

  using Version = std::atomic<std::uint32_t>;
  struct SegmentInfo {
    std::uint64_t prefix;  // the top `depth` bits of its keys' hashes
    std::uint32_t depth;
    std::uint32_t num_keys;
    std::uint32_t shard;  // never changes, so it may be read without the shard's lock
  };

  Bucket* buckets(std::uint32_t segment) const noexcept {
    return reinterpret_cast<Bucket*>(segment_memory_.data()) + first_buckets()[segment];
  }
  std::uint32_t num_buckets(std::uint32_t segment) const noexcept {
    return HashParts::num_buckets(infos()[segment].shard);
  }
  SegmentInfo* infos() const noexcept { return reinterpret_cast<SegmentInfo*>(info_memory_.data()); }
  std::uint32_t* first_buckets() const noexcept {
    return reinterpret_cast<std::uint32_t*>(first_memory_.data());
  }
  Version* segment_versions() const noexcept { return reinterpret_cast<Version*>(version_memory_.data()); }
  Version& version_of(std::uint32_t segment) const noexcept {
    if constexpr (Bucket::kVersionBySegment) return segment_versions()[segment];
    return shard_versions_[infos()[segment].shard];
  }
  static std::uint32_t split_load(unsigned shard) noexcept {
    return static_cast<std::uint32_t>(Bucket::kMaxLoad * Bucket::kCells * HashParts::num_buckets(shard));
  }
  /// Keys on their way through the steps of `read_batch`.
  struct Group {
    alignas(64) std::uint64_t hashes[kGroup];
    alignas(64) std::uint32_t segments[kGroup];
    alignas(64) std::uint32_t homes[kGroup];
    alignas(64) std::uint32_t lower[kGroup];
    alignas(64) std::uint32_t rest[kGroup];
    alignas(64) std::uint32_t rows[kGroup];
    alignas(64) std::uint32_t seen[Bucket::kVersionBySegment ? kGroup : kNumShards];
    std::size_t start;
    std::uint32_t num;
  };
  [[gnu::always_inline]] inline void ask_homes(Group& group, std::span<const std::uint64_t> keys,
                                               std::size_t start) const;
  [[gnu::always_inline]] inline void find_rows(Group& group) const;
  [[gnu::always_inline]] inline void copy_rows(Group& group, auto& ask, auto& copy, auto& absent) const;
  std::uint32_t segment_of(std::uint64_t hash) const noexcept { return directory_.segment_of(hash); }
  Bucket* home_of(std::uint64_t hash, std::uint32_t segment) const noexcept {
    return buckets(segment) + HashParts::home(hash);
  }
  Bucket* other_of(std::uint64_t hash, const Home& home) const noexcept {
    return home.bucket - HashParts::home(hash) +
           HashParts::other(HashParts::home(hash), HashParts::remainder(hash),
                            HashParts::num_buckets(HashParts::shard(hash)));
  }
  Bucket* other_of(std::uint64_t hash, std::uint32_t segment) const noexcept {
    return buckets(segment) + HashParts::other(HashParts::home(hash), HashParts::remainder(hash),
                                               HashParts::num_buckets(HashParts::shard(hash)));
  }

  std::uint32_t add_segment(std::uint64_t prefix, std::uint32_t depth);
  static void move_away_count(Bucket& home, int by) noexcept;
  static std::uint32_t empty_cell(const Bucket& bucket) noexcept;
  static void move_cell(Bucket* all, std::uint32_t from, std::uint32_t cell, std::uint32_t to,
                        std::uint32_t to_cell) noexcept;
  static bool make_room(Bucket* all, std::uint32_t num_buckets, std::uint32_t first,
                        std::uint32_t second) noexcept;
  bool split(std::uint32_t full);
  static void send_home(Bucket* all, std::uint32_t num_buckets) noexcept;

  const std::uint64_t salt_;
  ReservedMemory segment_memory_;
  ReservedMemory info_memory_;
  ReservedMemory first_memory_;
  ReservedMemory version_memory_;
  std::atomic<std::uint32_t> num_segments_ = 0;
  std::size_t num_buckets_ = 0;
  alignas(64) mutable Version shard_versions_[kNumShards] = {};
  alignas(64) std::uint32_t num_moves_[kNumShards] = {};
  alignas(64) std::uint32_t num_splits_[kNumShards] = {};
  std::mutex grow_mutex_;
  SegmentDirectory directory_;
};

}  // namespace freshet

#include "freshet/key_index_read.h"   // IWYU pragma: export
#include "freshet/key_index_write.h"  // IWYU pragma: export
