#include <algorithm>
#include <cstring>

#include "freshet/table.h"
#include "table_visit.h"

namespace freshet {

BatchPlan& scratch_plan() {
  thread_local BatchPlan plan;
  return plan;
}

Table::Seen Table::Sightings::of(const BatchPlan& plan, const BatchPlan::Group& group) const noexcept {
  Seen seen;
  for (std::uint32_t at = group.first; at != BatchPlan::kEnd; at = plan.next(at)) {
    const std::uint32_t at_s = seen_at(at);
    if (at_s == kNotSeen) continue;
    if (seen.num == 0) seen.first = at;
    ++seen.num;
    seen.latest_s = std::max(seen.latest_s, at_s);
  }
  return seen;
}

void Table::note_sighting(Shard& shard, const Place& place, const BatchPlan& plan,
                          const BatchPlan::Group& group, const Sightings& sightings, TouchNotes& notes) {
  keep_pre_image(shard, group.hash, place);
  const Seen seen = sightings.of(plan, group);
  MarkedBucket& bucket = *place.bucket;
  if (seen.latest_s > bucket.stamps[place.cell]) store_word(bucket.stamps[place.cell], seen.latest_s);
  const std::uint32_t count = bucket.count(place.cell);
  if (count < MarkedBucket::kMaxCount) {
    bucket.set_count(place.cell, std::min(count + seen.num, MarkedBucket::kMaxCount));
  }
  mark(place, RowMark::kDirty | (sightings.learns ? RowMark::kTouched : 0U), group.hash, notes);
}

/// A row for an absent FID if its slot's rule admits it now.
Table::Place Table::admit(unsigned number, const BatchPlan& plan, const BatchPlan::Group& group,
                          const Sightings& sightings, TouchNotes& notes) {
  Shard& shard = shards_[number];
  const Seen seen = sightings.of(plan, group);
  if (seen.num == 0) return {};
  const std::uint16_t slot_number = sightings.slots[seen.first];
  const std::uint32_t seen_at_s = sightings.seen_at(seen.first);
  shard.slot_counts.of(slot_number);  // what may fail comes before what is counted
  if (!options_.rules.all_always() &&
      !shard.ledger.sight(index_.key(group.hash), slot_number, options_.rules, seen.num, seen_at_s,
                          sightings.first_draw + seen.first)) {
    shard.num_turned_away += seen.num;
    shard.slot_counts.of(slot_number).num_turned_away += seen.num;
    return {};
  }
  if (options_.max_rows != 0 && size() >= options_.max_rows) make_room(number, seen_at_s);
  const Place place = create(number, group.hash, slot_number, RowMark::kTouched, notes);
  ++shard.slot_counts.of(slot_number).num_admitted;
  note_sighting(shard, place, plan, group, sightings, notes);
  return place;
}

void Table::lookup_or_create(std::span<const std::uint64_t> fids, std::span<const std::uint16_t> slots,
                             std::span<const std::uint32_t> seen_at_s, std::span<float> out) {
  check_sightings(fids.size(), slots.size(), seen_at_s.size());
  check_matrix("out", fids.size(), out.size());
  const std::size_t row_bytes = options_.dim * sizeof(float);
  const Sightings sightings{slots, seen_at_s, num_sighted_.fetch_add(fids.size()), false};
  BatchPlan& plan = scratch_plan();
  plan.build(fids, index_.salt());
  TouchNotes notes(*this, plan.groups().size());
  for (unsigned number = 0; number < kNumShards; ++number) {
    Shard& shard = shards_[number];
    const ShardLock lock(shard.mutex);
    const auto copy = [&](const BatchPlan::Group& group, const Place& place) {
      for (std::uint32_t at = group.first; at != BatchPlan::kEnd; at = plan.next(at)) {
        float* const target = out.data() + std::size_t{at} * options_.dim;
        if (place) {
          std::memcpy(target, floats(place.row()), row_bytes);
        } else {
          std::memset(target, 0, row_bytes);
        }
      }
    };
    visit_groups(
        plan.groups_of(number), AskMatrix{plan, out.data(), options_.dim},
        [&](const BatchPlan::Group& group, const Place& place) {
          note_sighting(shard, place, plan, group, sightings, notes);
          copy(group, place);
        },
        [&](const BatchPlan::Group& group) { copy(group, admit(number, plan, group, sightings, notes)); });
  }
}

SightedBatch Table::sight(std::span<const std::uint64_t> fids, std::span<const std::uint16_t> slots,
                          std::span<const std::uint32_t> seen_at_s) {
  check_sightings(fids.size(), slots.size(), seen_at_s.size());
  BatchPlan& plan = scratch_plan();
  plan.build(fids, index_.salt());
  return sight(plan, slots, seen_at_s);
}

void Table::plan(std::span<const std::uint64_t> fids, BatchPlan& plan) const {
  check_batch(fids.size());
  plan.build(fids, index_.salt());
  std::vector<std::uint64_t> keys;
  keys.reserve(plan.groups().size());
  for (const BatchPlan::Group& group : plan.groups()) keys.push_back(index_.key(group.hash));
  index_.read_batch(
      keys, [&](std::uint32_t row) { rows_.prefetch_to_read(row); }, [](std::size_t, std::uint32_t) {},
      [](std::size_t) {});
}

SightedBatch Table::sight(const BatchPlan& plan, std::span<const std::uint16_t> slots,
                          std::span<const std::uint32_t> seen_at_s) {
  check_sightings(plan.num_keys(), slots.size(), seen_at_s.size());
  const Sightings sightings{slots, seen_at_s, num_sighted_.fetch_add(plan.num_keys()), true};
  const std::size_t num = plan.groups().size();
  SightedBatch batch;
  batch.fids.resize(num);
  batch.rows.assign(num, Index::kAbsent);
  batch.members.resize(plan.num_keys());
  batch.begin.resize(kNumShards + 1);
  batch.epochs.resize(kNumShards);
  TouchNotes notes(*this, num);
  const BatchPlan::Group* const first = plan.groups().data();
  for (unsigned number = 0; number < kNumShards; ++number) {
    Shard& shard = shards_[number];
    batch.begin[number] = plan.begin(number);
    const ShardLock lock(shard.mutex);
    const auto note = [&](const BatchPlan::Group& group, const Place& place) {
      const auto unique = static_cast<std::size_t>(&group - first);
      batch.fids[unique] = index_.key(group.hash);
      if (place) batch.rows[unique] = place.row();
      for (std::uint32_t at = group.first; at != BatchPlan::kEnd; at = plan.next(at)) {
        batch.members[at] = static_cast<std::int32_t>(unique);
      }
    };
    const std::uint64_t epoch_before = shard.epoch;
    visit_groups(
        plan.groups_of(number), AskNothing{},
        [&](const BatchPlan::Group& group, const Place& place) {
          note_sighting(shard, place, plan, group, sightings, notes);
          note(group, place);
        },
        [&](const BatchPlan::Group& group) { note(group, admit(number, plan, group, sightings, notes)); });
    if (shard.epoch != epoch_before) {  // the budget may have evicted rows that were noted before
      for (std::uint32_t i = plan.begin(number); i < plan.begin(number + 1); ++i) {
        const Place place = index_.find(plan.groups()[i].hash);
        batch.rows[i] = place ? place.row() : Index::kAbsent;
      }
    }
    batch.epochs[number] = shard.epoch;
  }
  batch.begin[kNumShards] = plan.begin(kNumShards);
  return batch;
}

void Table::gather(const SightedBatch& batch, std::span<float> out) const {
  check_matrix("out", batch.fids.size(), out.size());
  const std::size_t row_bytes = options_.dim * sizeof(float);
  for (unsigned number = 0; number < kNumShards; ++number) {
    const Shard& shard = shards_[number];
    const ShardLock lock(shard.mutex);
    const bool is_current = batch.epochs[number] == shard.epoch;
    for (std::uint32_t i = batch.begin[number]; i < batch.begin[number + 1]; ++i) {
      constexpr std::uint32_t kAhead = 32;
      if (is_current && i + kAhead < batch.begin[number + 1] && batch.rows[i + kAhead] != Index::kAbsent) {
        rows_.prefetch(batch.rows[i + kAhead]);
      }
      std::uint32_t row = batch.rows[i];
      if (!is_current) {
        const Place place = index_.find(index_.hash(batch.fids[i]));
        row = place ? place.row() : Index::kAbsent;
      }
      float* const target = out.data() + std::size_t{i} * options_.dim;
      if (row == Index::kAbsent) {
        std::memset(target, 0, row_bytes);
      } else {
        std::memcpy(target, floats(row), row_bytes);
      }
    }
  }
}

}  // namespace freshet
