#include "freshet/batch_plan.h"

#include <algorithm>
#include <bit>

#include "freshet/mix.h"

namespace freshet {

void BatchPlan::build(std::span<const std::uint64_t> keys, std::uint64_t salt) {
  hashes_.resize(keys.size());
  entries_.resize(keys.size());
  next_.assign(keys.size(), kEnd);
  groups_.clear();
  groups_.reserve(keys.size());
  hash_keys(keys.data(), keys.size(), salt, hashes_.data());
  const auto wanted = static_cast<unsigned>(std::bit_width(keys.size() / 512));
  const unsigned part_bits = std::clamp(wanted, HashParts::kShardBits, 12U);
  spread(part_bits);
  const unsigned parts_per_shard_bits = part_bits - HashParts::kShardBits;
  std::uint32_t start = 0;
  for (std::uint32_t part = 0; part < part_ends_.size(); ++part) {
    if ((part & ((1U << parts_per_shard_bits) - 1)) == 0) {
      begin_[part >> parts_per_shard_bits] = static_cast<std::uint32_t>(groups_.size());
    }
    group(std::span(entries_).subspan(start, part_ends_[part] - start));
    start = part_ends_[part];
  }
  begin_[kNumShards] = static_cast<std::uint32_t>(groups_.size());
}

/// A stable counting sort by the top bits.
void BatchPlan::spread(unsigned part_bits) {
  const unsigned shift = 64 - part_bits;
  part_ends_.assign(std::size_t{1} << part_bits, 0);
  for (const std::uint64_t hash : hashes_) ++part_ends_[hash >> shift];
  std::uint32_t sum = 0;
  for (std::uint32_t& end : part_ends_) {
    const std::uint32_t size = end;
    end = sum;
    sum += size;
  }
  for (std::uint32_t position = 0; position < hashes_.size(); ++position) {
    entries_[part_ends_[hashes_[position] >> shift]++] = {hashes_[position], position};
  }
}

void BatchPlan::group(std::span<const Entry> part) {
  // A quarter full at most: whether a place is taken is a branch, and should go the same way nearly always.
  const std::size_t places = std::bit_ceil(std::max<std::size_t>(3 * part.size(), 2));
  group_at_.assign(places, kEnd);
  for (const Entry& entry : part) {
    for (std::size_t at = (entry.hash >> 16) & (places - 1);; at = (at + 1) & (places - 1)) {
      const std::uint32_t number = group_at_[at];
      if (number == kEnd) {
        group_at_[at] = static_cast<std::uint32_t>(groups_.size());
        groups_.push_back({entry.hash, entry.position, entry.position, 1});
        break;
      }
      Group& known = groups_[number];
      if (known.hash != entry.hash) continue;
      next_[known.last] = entry.position;
      known.last = entry.position;
      ++known.size;
      break;
    }
  }
}

}  // namespace freshet
