#include "freshet/checkpoint.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace freshet {

Checkpoint::Checkpoint(Table& table, bool is_incremental) : table_(table), is_incremental_(is_incremental) {
  {
    const std::lock_guard delta_lock(table.delta_mutex_);
    const std::lock_guard expire_lock(table.expire_mutex_);
    std::vector<Table::ShardLock> locks;
    locks.reserve(Table::kNumShards);
    for (Table::Shard& shard : table.shards_) locks.emplace_back(shard.mutex);
    if (table.is_checkpointing_) throw std::logic_error("the table already has a checkpoint under way");
    begin();
  }
  // A delete may be in flight and pending anew. In order only now, when nobody waits.
  std::sort(pending_deletes_.begin(), pending_deletes_.end());
  pending_deletes_.erase(std::unique(pending_deletes_.begin(), pending_deletes_.end()),
                         pending_deletes_.end());
}

/// With every shard's lock. What may throw comes first.
void Checkpoint::begin() {
  state_ = table_.export_state_locked();
  std::size_t num_erased = 0;
  for (const Table::Shard& shard : table_.shards_) {
    shard.ledger.export_to(candidates_);
    shard.pending_deletes.for_each([&](std::uint64_t fid) { pending_deletes_.push_back(fid); });
    num_erased += shard.erased_since_checkpoint.size();
    digest_ += shard.digest;
    num_rows_ += shard.num_rows;
  }
  for (const std::uint64_t fid : table_.in_flight_) {
    if (!table_.index_.find(table_.index_.hash(fid))) pending_deletes_.push_back(fid);
  }
  erased_.reserve(num_erased);
  for (Table::Shard& shard : table_.shards_) {
    erased_.insert(erased_.end(), shard.erased_since_checkpoint.begin(), shard.erased_since_checkpoint.end());
    shard.erased_since_checkpoint.clear();
    ++shard.epoch;  // who remembers rows must mark them again, and keep what they were
  }
  is_incremental_ = is_incremental_ && table_.has_base_;
  table_.has_base_ = false;  // until this one was read to its end
  table_.is_checkpointing_ = true;
  table_.saves_all_ = !is_incremental_;
  table_.saved_parity_ ^= RowMark::kSaved;
}

Rows Checkpoint::next(std::size_t min_rows) {
  if (min_rows == 0) throw std::invalid_argument("min_rows must be positive");
  Rows rows;
  while (rows.fids.size() < min_rows && segment_ < table_.index_.num_segments()) {
    const unsigned shard = table_.index_.shard_of_segment(segment_);
    read_segment(rows, segment_);
    ++segment_;  // afterwards: if it fails, the rest of this segment is the destructor's to walk through
    read_pre_images(rows, shard);
  }
  while (rows.fids.size() < min_rows && segment_ >= table_.index_.num_segments() &&
         shard_ < Table::kNumShards) {
    read_pre_images(rows, shard_++);
  }
  if (rows.fids.empty() && !is_whole_) {
    is_whole_ = true;
    for (Table::Shard& shard : table_.shards_) shard.mutex.lock();
    table_.is_checkpointing_ = false;
    table_.has_base_ = true;
    for (Table::Shard& shard : table_.shards_) shard.mutex.unlock();
  }
  return rows;
}

void Checkpoint::read_segment(Rows& rows, std::uint32_t segment) {
  const std::size_t dim = table_.dim();
  const std::size_t num_state = table_.num_state_floats();
  const Table::ShardLock lock(table_.shards_[table_.index_.shard_of_segment(segment)].mutex);
  table_.index_.for_each_in_segment(segment, [&](std::uint64_t hash, const Table::Place& place) {
    MarkedBucket& bucket = *place.bucket;
    const std::uint32_t marks = bucket.marks(place.cell);
    if ((marks & RowMark::kSaved) == table_.saved_parity_) return;
    if (!is_incremental_ || (marks & RowMark::kDirty) != 0) {
      const std::uint32_t row = place.row();
      const float* const floats = table_.floats(row);
      rows.fids.push_back(table_.index_.key(hash));
      rows.slots.push_back(table_.slot(row));
      rows.seen_at_s.push_back(bucket.stamps[place.cell]);
      rows.counts.push_back(static_cast<std::uint8_t>(bucket.count(place.cell)));
      rows.touched.push_back((marks & (RowMark::kTouched | RowMark::kInFlight)) != 0);
      rows.vectors.insert(rows.vectors.end(), floats, floats + dim);
      rows.states.insert(rows.states.end(), floats + dim, floats + dim + num_state);
    }
    bucket.set_marks(place.cell, (marks & ~(RowMark::kSaved | RowMark::kDirty)) | table_.saved_parity_);
  });
}

void Checkpoint::read_pre_images(Rows& rows, unsigned shard) {
  PreImages taken;
  {
    const Table::ShardLock lock(table_.shards_[shard].mutex);
    taken = std::move(table_.shards_[shard].pre_images);
    table_.shards_[shard].pre_images = PreImages();
  }
  const std::size_t dim = table_.dim();
  const std::size_t num_state = table_.num_state_floats();
  taken.for_each(dim + num_state, [&](const RowRecord& record, const std::byte* floats) {
    rows.fids.push_back(record.fid);
    rows.slots.push_back(record.slot);
    rows.seen_at_s.push_back(record.seen_at_s);
    rows.counts.push_back(record.count);
    rows.touched.push_back(record.touched);
    rows.vectors.resize(rows.vectors.size() + dim);
    std::memcpy(&*(rows.vectors.end() - static_cast<std::ptrdiff_t>(dim)), floats, dim * sizeof(float));
    rows.states.resize(rows.states.size() + num_state);
    if (num_state != 0) {
      std::memcpy(&*(rows.states.end() - static_cast<std::ptrdiff_t>(num_state)),
                  floats + dim * sizeof(float), num_state * sizeof(float));
    }
  });
}

Checkpoint::~Checkpoint() {
  if (is_whole_) return;
  for (; segment_ < table_.index_.num_segments(); ++segment_) {
    const Table::ShardLock lock(table_.shards_[table_.index_.shard_of_segment(segment_)].mutex);
    table_.index_.for_each_in_segment(segment_, [&](std::uint64_t, const Table::Place& place) {
      const std::uint32_t marks = place.bucket->marks(place.cell);
      place.bucket->set_marks(place.cell, (marks & ~RowMark::kSaved) | table_.saved_parity_);
    });
  }
  for (Table::Shard& shard : table_.shards_) shard.mutex.lock();
  table_.is_checkpointing_ = false;
  for (Table::Shard& shard : table_.shards_) shard.pre_images = PreImages();
  for (Table::Shard& shard : table_.shards_) shard.mutex.unlock();
}

std::size_t Checkpoint::waiting_bytes() const {
  std::size_t bytes = 0;
  for (const Table::Shard& shard : table_.shards_) {
    const Table::ShardLock lock(shard.mutex);
    bytes += shard.pre_images.memory_bytes();
  }
  return bytes;
}

}  // namespace freshet
