#pragma once

#include <cstdint>

#include "freshet/mix.h"

namespace freshet {

/// How the 64 bits of a key's hash are used. The hash is a bijection of the key, so the key itself is never stored:
/// where a cell lies tells the bits that the cell leaves out (quotienting; Knuth, TAOCP 3, 6.4).
///
///   63..60  shard, told by the segment
///   63..    directory index (its length is the directory's depth, at least 4)
///   15..0   y: the home bucket is y * num_buckets / 2^16, which tells all but the 7 low bits of y
///
/// The remainder, which a cell keeps, is bits 59..16 and those 7 bits: 51 bits.
///
/// Segments of shard s have 1024 - 32 s buckets. All segments of one depth hold about the same number of keys; because
/// their capacities are spread over one doubling, the shards' splits are too, at every size of the table.
struct HashParts {
  static constexpr unsigned kShardBits = 4;
  static constexpr unsigned kRemainderBits = 51;
  static constexpr std::uint32_t kMaxBuckets = 1024;

  static unsigned shard(std::uint64_t hash) noexcept {
    return static_cast<unsigned>(hash >> (64 - kShardBits));
  }
  static std::uint32_t num_buckets(unsigned shard) noexcept { return kMaxBuckets - 32 * shard; }
  static std::uint64_t remainder(std::uint64_t hash) noexcept {
    return (hash >> 16 & ((std::uint64_t{1} << 44) - 1)) << 7 | (hash & 127U);
  }
  static std::uint32_t home(std::uint64_t hash) noexcept {
    return static_cast<std::uint32_t>(hash & 0xFFFFU) * num_buckets(shard(hash)) >> 16;
  }

  /// The other bucket in which a key may lie; the other of the other is the first. Seldom it is the same bucket.
  static std::uint32_t other(std::uint32_t bucket, std::uint64_t remainder,
                             std::uint32_t num_buckets) noexcept {
    const std::uint32_t sum = static_cast<std::uint32_t>(remainder >> 12 & 0xFFFFU) * num_buckets >> 16;
    return sum >= bucket ? sum - bucket : sum + num_buckets - bucket;
  }

  static std::uint64_t hash_of(unsigned shard, std::uint64_t remainder, std::uint32_t home) noexcept {
    const std::uint32_t num = num_buckets(shard);
    const std::uint32_t first =
        (home << 16) / num + ((home << 16) % num != 0 ? 1 : 0);  // the least y of this bucket
    const std::uint32_t y = first + ((static_cast<std::uint32_t>(remainder) - first) & 127U);
    return std::uint64_t{shard} << (64 - kShardBits) | remainder >> 7 << 16 | y;
  }

  /// Which bit of a remainder is bit `at` of the hash, from 16 on.
  static constexpr unsigned remainder_bit(unsigned at) noexcept { return at - 9; }
};

}  // namespace freshet
