#include <algorithm>
#include <bit>
#include <vector>

#include "freshet/table.h"

namespace freshet {

/// How many top bits of the hash name a range of some `kRangeRows` rows: a function of the number of rows, so that what
/// is looked at together does not depend on how the index grew.
std::uint32_t Table::range_bits(std::uint64_t num_rows) noexcept {
  const auto wanted = static_cast<std::uint32_t>(std::bit_width(num_rows / kRangeRows));
  return std::clamp(wanted, std::uint32_t{HashParts::kShardBits}, 40U);
}

void Table::evict(Shard& shard, std::span<const std::uint64_t> hashes, std::uint64_t& counter,
                  std::uint64_t SlotCount::* slot_counter) {
  for (const std::uint64_t hash : hashes) {
    const Place place = index_.find(hash);
    SlotCount& of_slot = shard.slot_counts.of(slot(place.row()));
    remove(shard, hash, place);
    ++counter;
    ++(of_slot.*slot_counter);
  }
}

/// Evicts a sixteenth of the next range of a shard: the rows that are seen least recently, or least often, among some
/// two thousand, which are a random sample of the table. So it is a look at few rows, made once for a hundred new ones,
/// and not a list of all rows in order of age. Rows that this moment's batch has seen go last.
void Table::make_room(unsigned number, std::uint32_t now_s) {
  struct Rank {
    bool is_current;
    std::uint32_t count;
    std::uint32_t stamp;
    std::uint64_t hash;
    auto operator<=>(const Rank&) const = default;
  };
  Shard& shard = shards_[number];
  const std::uint32_t bits = range_bits(size());
  const std::uint64_t num_ranges = std::uint64_t{1} << (bits - HashParts::kShardBits);
  std::vector<Rank> ranks;
  for (std::uint64_t tried = 0; tried < num_ranges && ranks.empty(); ++tried) {
    const std::uint64_t from = shard.budget_hand >> (64 - bits) << (64 - bits);
    index_.for_each_in_range(from, bits, [&](std::uint64_t hash, const Place& place) {
      const std::uint32_t stamp = place.bucket->stamps[place.cell];
      const std::uint32_t count = options_.evict == Evict::kLeastOften ? place.bucket->count(place.cell) : 0;
      ranks.push_back({stamp >= now_s, count, stamp, hash});
    });
    const std::uint64_t next = from + (std::uint64_t{1} << (64 - bits));
    const std::uint64_t first = std::uint64_t{number} << (64 - HashParts::kShardBits);
    shard.budget_hand = next != 0 && HashParts::shard(next) == number ? next : first;
  }
  if (ranks.empty()) return;  // the shard is empty: the table goes a row beyond its budget
  const std::size_t num_evicted = std::max<std::size_t>(ranks.size() / 16, 1);
  std::nth_element(ranks.begin(), ranks.begin() + static_cast<std::ptrdiff_t>(num_evicted) - 1, ranks.end());
  std::vector<std::uint64_t> hashes;
  for (std::size_t i = 0; i < num_evicted; ++i) hashes.push_back(ranks[i].hash);
  if (options_.evict == Evict::kLeastOften) {  // so that what was popular once does not stay for ever
    for (std::size_t i = num_evicted; i < ranks.size(); ++i) {
      const Place place = index_.find(ranks[i].hash);
      keep_pre_image(shard, ranks[i].hash, place);
      place.bucket->set_count(place.cell, ranks[i].count / 2);
      place.bucket->set_marks(
          place.cell, (place.bucket->marks(place.cell) & ~RowMark::kSaved) | RowMark::kDirty | saved_parity_);
    }
  }
  std::sort(hashes.begin(), hashes.end());
  evict(shard, hashes, shard.num_over_budget, &SlotCount::num_over_budget);
}

std::size_t Table::expire(std::uint32_t now_s, std::size_t num_rows) {
  const std::lock_guard expire_lock(expire_mutex_);
  const std::uint32_t bits = range_bits(size());
  std::size_t num_seen = 0;
  std::size_t num_expired = 0;
  std::vector<std::uint64_t> hashes;
  for (std::uint64_t range = 0; range < std::uint64_t{1} << bits && num_seen < num_rows; ++range) {
    const std::uint64_t from = expire_hand_ >> (64 - bits) << (64 - bits);
    Shard& shard = shards_[HashParts::shard(from)];
    const ShardLock lock(shard.mutex);
    hashes.clear();
    if (options_.rules.any_expires()) {
      index_.for_each_in_range(from, bits, [&](std::uint64_t hash, const Place& place) {
        const std::uint32_t ttl_s = options_.rules.of(slot(place.row())).ttl_s;
        const std::uint64_t until_s = std::uint64_t{place.bucket->stamps[place.cell]} + ttl_s;
        ++num_seen;
        if (ttl_s != 0 && until_s < now_s) hashes.push_back(hash);
      });
      evict(shard, hashes, shard.num_expired, &SlotCount::num_expired);
      num_expired += hashes.size();
    }
    const std::uint64_t ranges_a_shard = std::uint64_t{1} << (bits - HashParts::kShardBits);
    shard.ledger.sweep(options_.rules, now_s,
                       static_cast<std::size_t>(shard.ledger.num_candidates() / ranges_a_shard) + 1);
    expire_hand_ = from + (std::uint64_t{1} << (64 - bits));
  }
  return num_expired;
}

}  // namespace freshet
