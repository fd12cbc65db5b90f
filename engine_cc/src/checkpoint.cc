#include "freshet/checkpoint.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace freshet {
namespace {

constexpr std::size_t kMaxSegmentRows = std::size_t{HashParts::kMaxBuckets} * MarkedBucket::kCells;

}  // namespace

/// A row of a segment that belongs to the checkpoint and was not read before.
struct Checkpoint::Found {
  std::uint64_t hash;
  Table::Place place;
};

/// Rows in memory that is there before a lock is taken: a writer must not wait for pages.
class Checkpoint::Gathered {
 public:
  Gathered(std::size_t dim, std::size_t num_state) : dim_(dim), num_state_(num_state) {}

  std::size_t size() const noexcept { return num_; }

  void make_room(std::size_t num_more) {
    if (num_ + num_more > rows_.fids.size()) resize(num_ + num_more);
  }

  /// There is room. `floats` may be unaligned.
  void add(const RowRecord& record, const std::byte* floats) noexcept {
    rows_.fids[num_] = record.fid;
    rows_.slots[num_] = record.slot;
    rows_.seen_at_s[num_] = record.seen_at_s;
    rows_.counts[num_] = record.count;
    rows_.touched[num_] = record.touched;
    std::memcpy(rows_.vectors.data() + num_ * dim_, floats, dim_ * sizeof(float));
    if (num_state_ != 0) {
      std::memcpy(rows_.states.data() + num_ * num_state_, floats + dim_ * sizeof(float),
                  num_state_ * sizeof(float));
    }
    ++num_;
  }

  Rows take() {
    resize(num_);
    return std::move(rows_);
  }

 private:
  void resize(std::size_t num) {
    rows_.fids.resize(num);
    rows_.slots.resize(num);
    rows_.seen_at_s.resize(num);
    rows_.counts.resize(num);
    rows_.touched.resize(num);
    rows_.vectors.resize(num * dim_);
    rows_.states.resize(num * num_state_);
  }

  const std::size_t dim_;
  const std::size_t num_state_;
  std::size_t num_ = 0;
  Rows rows_;
};

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
    num_rows_ += shard.num_rows.load(std::memory_order_relaxed);
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
  Gathered rows(table_.dim(), table_.num_state_floats());
  rows.make_room(std::min<std::size_t>(min_rows, num_rows_) + kMaxSegmentRows);
  while (rows.size() < min_rows && segment_ < table_.index_.num_segments()) {
    const unsigned shard = table_.index_.shard_of_segment(segment_);
    read_segment(rows, segment_);
    ++segment_;  // afterwards: if it fails, this segment is the destructor's to walk through
    read_pre_images(rows, shard);
  }
  while (rows.size() < min_rows && segment_ >= table_.index_.num_segments() && shard_ < Table::kNumShards) {
    read_pre_images(rows, shard_++);
  }
  if (rows.size() == 0 && !is_whole_) {
    is_whole_ = true;
    end(true);
  }
  return rows.take();
}

/// First the index, then the rows, asked for some way ahead: a writer may be waiting for the shard.
void Checkpoint::read_segment(Gathered& rows, std::uint32_t segment) {
  constexpr std::size_t kAhead = 24;
  rows.make_room(kMaxSegmentRows);
  found_.reserve(kMaxSegmentRows);
  found_.clear();
  const Table::ShardLock lock(table_.shards_[table_.index_.shard_of_segment(segment)].mutex);
  table_.index_.for_each_in_segment(segment, [&](std::uint64_t hash, const Table::Place& place) {
    const std::uint32_t marks = place.bucket->marks(place.cell);
    if ((marks & RowMark::kSaved) == table_.saved_parity_) return;
    if (!is_incremental_ || (marks & RowMark::kDirty) != 0) {
      found_.push_back({hash, place});
    } else {
      place.bucket->set_marks(place.cell, (marks & ~RowMark::kSaved) | table_.saved_parity_);
    }
  });
  const auto ask = [&](std::size_t at) {
    if (at < found_.size()) table_.rows_.prefetch_to_read(found_[at].place.row());
  };
  for (std::size_t at = 0; at < kAhead; ++at) ask(at);
  for (std::size_t at = 0; at < found_.size(); ++at) {
    ask(at + kAhead);
    const auto& [hash, place] = found_[at];
    rows.add(table_.record_of(hash, place), table_.rows_.at(place.row()));
    const std::uint32_t marks = place.bucket->marks(place.cell);
    place.bucket->set_marks(place.cell,
                            (marks & ~(RowMark::kSaved | RowMark::kDirty)) | table_.saved_parity_);
  }
}

void Checkpoint::read_pre_images(Gathered& rows, unsigned number) {
  Table::Shard& shard = table_.shards_[number];
  PreImages taken;
  {
    const Table::ShardLock lock(shard.mutex);
    if (shard.pre_images.empty()) return;
    taken = shard.pre_images.take();
  }
  const std::size_t num_floats = table_.dim() + table_.num_state_floats();
  rows.make_room(taken.size());
  taken.for_each(num_floats,
                 [&](const RowRecord& record, const std::byte* floats) { rows.add(record, floats); });
  const Table::ShardLock lock(shard.mutex);
  shard.pre_images.reuse(std::move(taken));
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
  end(false);
}

/// Copies are given back when nobody waits any more: of a large table they are hundreds of megabytes.
void Checkpoint::end(bool is_base) noexcept {
  std::array<PreImages, Table::kNumShards> copies;
  for (Table::Shard& shard : table_.shards_) shard.mutex.lock();
  table_.is_checkpointing_ = false;
  table_.has_base_ = is_base;
  for (unsigned number = 0; number < Table::kNumShards; ++number) {
    std::swap(copies[number], table_.shards_[number].pre_images);
  }
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
