#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

#include "freshet/table.h"
#include "table_visit.h"

namespace freshet {
namespace {

template <typename T>
void check_optional(const char* name, const std::vector<T>& values, std::size_t wanted) {
  if (!values.empty() && values.size() != wanted) {
    throw std::invalid_argument(std::string(name) + " must be empty or have " + std::to_string(wanted) +
                                " elements, received " + std::to_string(values.size()));
  }
}

}  // namespace

Rows Table::export_rows(std::uint64_t cursor, std::size_t min_rows) const {
  if (min_rows == 0 || min_rows > kMaxBatch) {
    throw std::invalid_argument("min_rows must be 1 to " + std::to_string(kMaxBatch) + ", received " +
                                std::to_string(min_rows));
  }
  const std::size_t num_floats = num_state_floats();
  Rows rows;
  for (; cursor < index_.num_segments() && rows.fids.size() < min_rows; ++cursor) {
    const auto segment = static_cast<std::uint32_t>(cursor);
    const ShardLock lock(shards_[index_.shard_of_segment(segment)].mutex);
    index_.for_each_in_segment(segment, [&](std::uint64_t hash, const Place& place) {
      const std::uint32_t row = place.row();
      const std::uint32_t marks = place.bucket->marks(place.cell);
      rows.fids.push_back(index_.key(hash));
      rows.slots.push_back(slot(row));
      rows.seen_at_s.push_back(place.bucket->stamps[place.cell]);
      rows.counts.push_back(static_cast<std::uint8_t>(place.bucket->count(place.cell)));
      rows.touched.push_back((marks & (RowMark::kTouched | RowMark::kInFlight)) != 0);
      const float* const vector = floats(row);
      rows.vectors.insert(rows.vectors.end(), vector, vector + options_.dim);
      rows.states.insert(rows.states.end(), vector + options_.dim, vector + options_.dim + num_floats);
    });
  }
  rows.next_cursor = cursor;
  return rows;
}

void Table::import_rows(const Rows& rows) {
  const std::size_t num = rows.fids.size();
  check_sightings(num, rows.slots.size(), 1);
  check_matrix("vectors", num, rows.vectors.size());
  check_optional("seen_at_s", rows.seen_at_s, num);
  check_optional("counts", rows.counts, num);
  check_optional("touched", rows.touched, num);
  check_optional("states", rows.states, num * num_state_floats());
  check_finite("vectors", rows.vectors);
  check_finite("states", rows.states);
  BatchPlan& plan = scratch_plan();
  plan.build(rows.fids, index_.salt());
  TouchNotes notes(*this, plan.groups().size());
  for (unsigned number = 0; number < kNumShards; ++number) {
    Shard& shard = shards_[number];
    const ShardLock lock(shard.mutex);
    ++shard.epoch;
    const auto write = [&](const BatchPlan::Group& group, const Place& place) {
      const std::size_t at = group.last;
      keep_pre_image(shard, group.hash, place);
      const std::uint32_t row = place.row();
      slot(row) = rows.slots[at];
      write_row(shard, index_.key(group.hash), row, rows.vectors.data() + at * options_.dim,
                rows.states.empty() ? nullptr : rows.states.data() + at * num_state_floats());
      if (rows.states.empty()) optimizer_.initialise(floats(row) + options_.dim);
      store_word(place.bucket->stamps[place.cell], rows.seen_at_s.empty() ? 0 : rows.seen_at_s[at]);
      place.bucket->set_count(
          place.cell,
          rows.counts.empty() ? 0 : std::min<std::uint32_t>(rows.counts[at], MarkedBucket::kMaxCount));
      const bool is_touched = !rows.touched.empty() && rows.touched[at] != 0;
      mark(place, RowMark::kDirty | (is_touched ? RowMark::kTouched : 0U), group.hash, notes);
    };
    visit_groups(plan.groups_of(number), AskMatrix{plan, rows.vectors.data(), options_.dim}, write,
                 [&](const BatchPlan::Group& group) {
                   write(group, create(number, group.hash, rows.slots[group.last], 0, notes));
                 });
  }
}

Candidates Table::export_candidates() const {
  Candidates candidates;
  for (const Shard& shard : shards_) {
    const ShardLock lock(shard.mutex);
    shard.ledger.export_to(candidates);
  }
  return candidates;
}

void Table::import_candidates(const Candidates& candidates) {
  const std::size_t num = candidates.fids.size();
  if (candidates.slots.size() != num || candidates.counts.size() != num || candidates.since_s.size() != num) {
    throw std::invalid_argument("slots, counts and since_s of candidates must have one element per FID: " +
                                std::to_string(num));
  }
  for (std::size_t i = 0; i < num; ++i) {
    const std::uint64_t hash = index_.hash(candidates.fids[i]);
    Shard& shard = shards_[HashParts::shard(hash)];
    const ShardLock lock(shard.mutex);
    shard.ledger.restore(candidates.fids[i], candidates.slots[i], candidates.counts[i], candidates.since_s[i],
                         options_.rules);
  }
}

/// With every shard's lock.
SlotCounts Table::merged_slot_counts() const {
  SlotCounts sum;
  for (const Shard& shard : shards_) sum.add(shard.slot_counts);
  return sum;
}

std::vector<SlotCount> Table::slot_counts() const {
  SlotCounts sum;
  for (const Shard& shard : shards_) {
    const ShardLock lock(shard.mutex);
    sum.add(shard.slot_counts);
  }
  return sum.counted();
}

std::vector<std::uint64_t> Table::export_state() const {
  const std::lock_guard expire_lock(expire_mutex_);
  std::vector<ShardLock> locks;
  locks.reserve(kNumShards);
  for (const Shard& shard : shards_) locks.emplace_back(shard.mutex);
  return export_state_locked();
}

/// Two words of the table, nine of each shard, and the counts by slot, of all shards together.
std::vector<std::uint64_t> Table::export_state_locked() const {
  std::vector<std::uint64_t> words{num_sighted_.load(), expire_hand_};
  for (const Shard& shard : shards_) {
    const LedgerProgress& progress = shard.ledger.progress();
    for (const std::uint64_t word :
         {shard.budget_hand, shard.num_created, shard.num_expired, shard.num_over_budget, shard.num_erased,
          shard.num_turned_away, progress.hand, progress.num_decayed, progress.num_dropped}) {
      words.push_back(word);
    }
  }
  merged_slot_counts().export_to(words);
  return words;
}

void Table::import_state(std::span<const std::uint64_t> words) {
  constexpr std::size_t kShardWords = 9;
  constexpr std::size_t kNumWords = 2 + kNumShards * kShardWords;
  if (words.size() < kNumWords) {
    throw std::invalid_argument("state must have at least " + std::to_string(kNumWords) +
                                " words, received " + std::to_string(words.size()));
  }
  SlotCounts slot_counts;
  if (words.size() > kNumWords)
    slot_counts = SlotCounts::from(words.subspan(kNumWords));  // older states have none
  for (unsigned number = 0; number < kNumShards; ++number) {
    if (HashParts::shard(words[2 + number * kShardWords]) != number) {
      throw std::invalid_argument("state is not of a table: the hand of shard " + std::to_string(number) +
                                  " points into another");
    }
  }
  const std::lock_guard expire_lock(expire_mutex_);
  num_sighted_.store(words[0]);
  expire_hand_ = words[1];
  const std::uint64_t* word = words.data() + 2;
  for (Shard& shard : shards_) {
    const ShardLock lock(shard.mutex);
    shard.budget_hand = word[0];
    shard.num_created = word[1];
    shard.num_expired = word[2];
    shard.num_over_budget = word[3];
    shard.num_erased = word[4];
    shard.num_turned_away = word[5];
    shard.ledger.restore_progress({word[6], word[7], word[8]});
    shard.slot_counts = &shard == &shards_.front() ? std::move(slot_counts) : SlotCounts();
    word += kShardWords;
  }
}

}  // namespace freshet
