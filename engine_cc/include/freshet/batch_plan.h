#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "freshet/hash_parts.h"

namespace freshet {

/// The positions of a batch of keys grouped by key, and the groups by shard, so that a step takes each shard's lock once
/// and finds each row once. Within a group positions keep their order: what is summed over them depends on nothing but
/// the batch.
///
/// A batch is first spread over parts of some five hundred keys by the top bits of the hash, so that finding duplicates
/// stays within the first cache. O(n); memory about 44 bytes a position, kept for the next batch. Not thread safe.
class BatchPlan {
 public:
  static constexpr std::uint32_t kEnd = UINT32_MAX;
  static constexpr unsigned kNumShards = 1U << HashParts::kShardBits;

  struct Group {
    std::uint64_t hash;
    std::uint32_t first;  // its first and last position
    std::uint32_t last;
    std::uint32_t size;
  };

  /// Replaces the plan. At most 2^30 keys. Throws std::bad_alloc.
  void build(std::span<const std::uint64_t> keys, std::uint64_t salt);

  /// The number of keys that it is of.
  std::size_t num_keys() const noexcept { return next_.size(); }
  std::span<const Group> groups() const noexcept { return groups_; }
  std::span<const Group> groups_of(unsigned shard) const noexcept {
    return std::span(groups_).subspan(begin_[shard], begin_[shard + 1] - begin_[shard]);
  }
  /// The number in `groups()` of the first group of a shard; `begin(kNumShards)` is their number.
  std::uint32_t begin(unsigned shard) const noexcept { return begin_[shard]; }
  /// The next position of the same group, or `kEnd`.
  std::uint32_t next(std::uint32_t position) const noexcept { return next_[position]; }

 private:
  struct Entry {
    std::uint64_t hash;
    std::uint32_t position;
  };

  void spread(unsigned part_bits);
  void group(std::span<const Entry> part);

  std::vector<std::uint64_t> hashes_;
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> part_ends_;
  std::vector<std::uint32_t> group_at_;  // open addressing, for one part
  std::vector<Group> groups_;
  std::vector<std::uint32_t> next_;
  std::array<std::uint32_t, kNumShards + 1> begin_{};
};

}  // namespace freshet
