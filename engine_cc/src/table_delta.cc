#include <algorithm>
#include <cstring>
#include <new>

#include "freshet/table.h"
#include "table_visit.h"

namespace freshet {

std::size_t Table::num_touched() const {
  std::size_t num = 0;
  for (const Shard& shard : shards_) {
    const ShardLock lock(shard.mutex);
    num += shard.pending_deletes.size();
  }
  const std::lock_guard lock(log_mutex_);
  return num + static_cast<std::size_t>(std::max<std::ptrdiff_t>(num_touched_rows_, 0));
}

/// A FID that is touched and evicted stays in the log, and stands there twice when it is touched again. Without an
/// export for long these are taken out, so that the log stays in proportion to what waits.
void Table::compact_log() {
  const auto is_due = [this] {
    const auto num_rows = static_cast<std::size_t>(std::max<std::ptrdiff_t>(num_touched_rows_, 0));
    return log_.size() >= 4 * num_rows + (std::size_t{1} << 16);
  };
  {
    const std::lock_guard lock(log_mutex_);
    if (!is_due()) return;
  }
  const std::lock_guard delta_lock(delta_mutex_);
  std::vector<std::uint64_t> logged;
  {
    const std::lock_guard lock(log_mutex_);
    if (!is_due()) return;  // another thread has done it
    logged.resize(log_.size());
    for (std::size_t i = 0; i < logged.size(); ++i) logged[i] = log_.at(i);
  }
  FidSet seen(index_.salt());
  std::size_t num_kept = 0;
  for (const std::uint64_t fid : logged) {
    const std::uint64_t hash = index_.hash(fid);
    const ShardLock lock(shards_[HashParts::shard(hash)].mutex);
    const Place place = index_.find(hash);
    // A row that is touched from now on gets a note of its own.
    if (!place || (place.bucket->marks(place.cell) & RowMark::kTouched) == 0) continue;
    if (seen.insert(fid)) logged[num_kept++] = fid;
  }
  const std::lock_guard lock(log_mutex_);
  TouchedLog kept;
  kept.reserve(num_kept + (log_.size() - logged.size()) + num_promised_);
  for (std::size_t i = 0; i < num_kept; ++i) kept.push(logged[i]);
  for (std::size_t i = logged.size(); i < log_.size(); ++i) kept.push(log_.at(i));
  log_ = std::move(kept);
}

Delta Table::export_delta(std::size_t max_rows) {
  const std::lock_guard delta_lock(delta_mutex_);
  std::size_t num_deletes = 0;
  for (const Shard& shard : shards_) {
    const ShardLock lock(shard.mutex);
    num_deletes += shard.pending_deletes.size();
  }
  num_deletes = std::min(num_deletes, max_rows);
  std::size_t num_logged = 0;
  {
    const std::lock_guard lock(log_mutex_);
    num_logged = log_.size();
  }
  const std::size_t most_rows = std::min(max_rows - num_deletes, num_logged);
  Delta delta;
  delta.deleted.reserve(num_deletes);
  delta.fids.resize(most_rows);
  delta.slots.resize(most_rows);
  delta.vectors.resize(most_rows * options_.dim);
  in_flight_.reserve(in_flight_.size() + num_deletes + most_rows);
  std::vector<std::uint64_t> next(std::min(most_rows, kMaxBatch));
  BatchPlan& plan = scratch_plan();
  const auto plan_next = [&](std::size_t num) {
    {
      const std::lock_guard lock(log_mutex_);
      for (std::size_t i = 0; i < num; ++i) next[i] = log_.at(i);
    }
    plan.build(std::span(next).first(num), index_.salt());
  };
  std::size_t num_next = next.size();
  plan_next(num_next);
  take_deletes(num_deletes, delta);  // from here on nothing is lost: what was taken is answered
  std::size_t num_rows = 0;
  while (num_next > 0) {
    take_rows(plan, num_rows, delta);
    {
      const std::lock_guard lock(log_mutex_);
      log_.pop(num_next);
      num_next = std::min({most_rows - num_rows, log_.size(), next.size()});
    }
    try {
      plan_next(num_next);
    } catch (const std::bad_alloc&) {
      break;  // the rest stays touched
    }
  }
  delta.fids.resize(num_rows);
  delta.slots.resize(num_rows);
  delta.vectors.resize(num_rows * options_.dim);
  in_flight_.insert(in_flight_.end(), delta.deleted.begin(), delta.deleted.end());
  in_flight_.insert(in_flight_.end(), delta.fids.begin(), delta.fids.end());
  const std::lock_guard lock(log_mutex_);
  num_touched_rows_ -= static_cast<std::ptrdiff_t>(num_rows);
  return delta;
}

void Table::take_deletes(std::size_t max_deletes, Delta& delta) noexcept {
  for (Shard& shard : shards_) {
    const ShardLock lock(shard.mutex);
    while (delta.deleted.size() < max_deletes && !shard.pending_deletes.empty()) {
      delta.deleted.push_back(shard.pending_deletes.take());
    }
  }
}

void Table::take_rows(const BatchPlan& plan, std::size_t& num_rows, Delta& delta) noexcept {
  const std::size_t dim = options_.dim;
  for (unsigned number = 0; number < kNumShards; ++number) {
    Shard& shard = shards_[number];
    const ShardLock lock(shard.mutex);
    const auto take = [&](const BatchPlan::Group& group, const Place& place) {
      const std::uint32_t marks = place.bucket->marks(place.cell);
      if ((marks & RowMark::kTouched) == 0) return;
      place.bucket->set_marks(place.cell, (marks & ~RowMark::kTouched) | RowMark::kInFlight);
      delta.fids[num_rows] = index_.key(group.hash);
      delta.slots[num_rows] = slot(place.row());
      std::memcpy(delta.vectors.data() + num_rows * dim, floats(place.row()), dim * sizeof(float));
      ++num_rows;
    };
    visit_groups(plan.groups_of(number), AskNothing{}, take, [](const BatchPlan::Group&) {});
    ++shard.epoch;
  }
}

/// Takes the in-flight mark from the rows in flight and gives them others. Both are part of a checkpoint, so a row that
/// is no longer on its way has changed.
void Table::unmark_in_flight(std::uint32_t marks_added) {
  BatchPlan& plan = scratch_plan();
  plan.build(in_flight_, index_.salt());
  // Compacting the log needs the lock that is held here.
  TouchNotes notes(*this, marks_added != 0 ? plan.groups().size() : 0, TouchNotes::Log::kAsItIs);
  for (unsigned number = 0; number < kNumShards; ++number) {
    Shard& shard = shards_[number];
    const ShardLock lock(shard.mutex);
    const auto unmark = [&](const BatchPlan::Group& group, const Place& place) {
      const std::uint32_t marks = place.bucket->marks(place.cell);
      place.bucket->set_marks(place.cell, (marks & ~RowMark::kInFlight) | marks_added | RowMark::kDirty);
      if ((marks & RowMark::kTouched) == 0 && marks_added != 0) notes.add(index_.key(group.hash));
    };
    visit_groups(plan.groups_of(number), AskNothing{}, unmark, [&](const BatchPlan::Group& group) {
      if (marks_added != 0) shard.pending_deletes.insert(index_.key(group.hash));
    });
  }
  in_flight_.clear();
}

void Table::acknowledge_delta() {
  const std::lock_guard delta_lock(delta_mutex_);
  unmark_in_flight(0);
}

void Table::restore_delta() {
  const std::lock_guard delta_lock(delta_mutex_);
  // Until the last one is back all stay in flight: an allocation that fails loses none of them.
  unmark_in_flight(RowMark::kTouched);
}

void Table::forget_touched() {
  const std::lock_guard delta_lock(delta_mutex_);
  unmark_in_flight(0);
  std::size_t num_logged = 0;
  {
    const std::lock_guard lock(log_mutex_);
    num_logged = log_.size();
  }
  for (std::uint32_t segment = 0; segment < index_.num_segments(); ++segment) {
    Shard& shard = shards_[index_.shard_of_segment(segment)];
    const ShardLock lock(shard.mutex);
    std::ptrdiff_t num_forgotten = 0;
    index_.for_each_in_segment(segment, [&](std::uint64_t, const Place& place) {
      const std::uint32_t marks = place.bucket->marks(place.cell);
      if ((marks & RowMark::kTouched) == 0) return;
      ++num_forgotten;
      place.bucket->set_marks(place.cell, (marks & ~RowMark::kTouched) | RowMark::kDirty);
    });
    ++shard.epoch;
    shard.pending_deletes.clear();
    const std::lock_guard log_lock(log_mutex_);
    num_touched_rows_ -= num_forgotten;
  }
  // Every row has lost its mark since these were noted; one that was touched again has another note behind them.
  const std::lock_guard lock(log_mutex_);
  log_.pop(num_logged);
}

std::vector<std::uint64_t> Table::pending_deletes() const {
  const std::lock_guard delta_lock(delta_mutex_);
  std::vector<std::uint64_t> fids;
  for (const Shard& shard : shards_) {
    const ShardLock lock(shard.mutex);
    shard.pending_deletes.for_each([&](std::uint64_t fid) { fids.push_back(fid); });
  }
  for (const std::uint64_t fid : in_flight_) {
    const std::uint64_t hash = index_.hash(fid);
    const ShardLock lock(shards_[HashParts::shard(hash)].mutex);
    if (!index_.find(hash)) fids.push_back(fid);
  }
  std::sort(fids.begin(), fids.end());
  fids.erase(std::unique(fids.begin(), fids.end()), fids.end());
  return fids;
}

void Table::import_deletes(std::span<const std::uint64_t> fids) {
  check_batch(fids.size());
  for (const std::uint64_t fid : fids) {
    const std::uint64_t hash = index_.hash(fid);
    Shard& shard = shards_[HashParts::shard(hash)];
    const ShardLock lock(shard.mutex);
    if (!index_.find(hash)) shard.pending_deletes.insert(fid);
  }
}

}  // namespace freshet
