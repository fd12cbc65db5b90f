#include "freshet/table.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>

#include "freshet/dispatch.h"
#include "table_visit.h"

namespace freshet {
namespace {

/// In one pass without a branch per value, which is what the compiler can vectorise.
FRESHET_CLONES bool all_finite(const float* values, std::size_t num) noexcept {
  std::int32_t most = 0;
  for (std::size_t i = 0; i < num; ++i)
    most = std::max(most, std::bit_cast<std::int32_t>(values[i]) & 0x7FFFFFFF);
  return most < 0x7F800000;
}

}  // namespace

const TableOptions& Table::checked(const TableOptions& options) {
  check_initializer(options.initializer);
  if (options.max_candidates < kNumShards) {
    throw std::invalid_argument("max_candidates must be at least " + std::to_string(kNumShards) +
                                ", received " + std::to_string(options.max_candidates));
  }
  return options;
}

Table::Table(const TableOptions& options)
    : options_(checked(options)),
      optimizer_(options.optimizer, options.dim),
      row_digest_(row_digest_function()),
      row_digest_sum_(row_digest_sum_function()),
      encode_(encoder(options.digest_precision)),
      index_(options.index_salt, &warmer_),
      rows_((options.dim + optimizer_.num_state_floats()) * sizeof(float), kNumShards, Index::kMaxRows,
            &warmer_),
      slot_memory_(std::size_t{Index::kMaxRows} * sizeof(std::uint16_t), nullptr) {
  slot_memory_.grow_to(slot_memory_.capacity());
  for (unsigned shard = 0; shard < kNumShards; ++shard) {
    shards_.emplace_back(options.seed, options.max_candidates / kNumShards, options.index_salt + shard);
    shards_.back().budget_hand = std::uint64_t{shard} << (64 - HashParts::kShardBits);
  }
}

void Table::warm(std::size_t num_rows) {
  index_.warm(num_rows);
  rows_.warm(num_rows);
  slot_memory_.warm(0, std::min<std::size_t>(num_rows, Index::kMaxRows) * sizeof(std::uint16_t));
}

Table::~Table() { warmer_.stop(); }

void Table::check_batch(std::size_t num_fids) const {
  if (num_fids > kMaxBatch) {
    throw std::invalid_argument("a batch has at most " + std::to_string(kMaxBatch) + " FIDs, received " +
                                std::to_string(num_fids));
  }
}

void Table::check_matrix(const char* name, std::size_t num_rows, std::size_t num_values) const {
  if (num_values != num_rows * options_.dim) {
    throw std::invalid_argument(std::string(name) + " must have " + std::to_string(num_rows) + " rows of " +
                                std::to_string(options_.dim) + " floats, received " +
                                std::to_string(num_values) + " floats in all");
  }
}

void Table::check_sightings(std::size_t num_fids, std::size_t num_slots, std::size_t num_times) const {
  check_batch(num_fids);
  if (num_slots != num_fids) {
    throw std::invalid_argument("slots must have one element per FID: " + std::to_string(num_fids) +
                                ", received " + std::to_string(num_slots));
  }
  if (num_times != num_fids && num_times != 1) {
    throw std::invalid_argument("seen_at_s must have one element, or one per FID: " +
                                std::to_string(num_fids) + ", received " + std::to_string(num_times));
  }
}

void Table::check_finite(const char* name, std::span<const float> values) {
  if (all_finite(values.data(), values.size())) return;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      throw std::invalid_argument(std::string(name) + " must be finite, received " +
                                  std::to_string(values[i]) + " at element " + std::to_string(i));
    }
  }
}

void Table::check_rate(float learning_rate) {
  if (!std::isfinite(learning_rate) || learning_rate <= 0) {
    throw std::invalid_argument("learning_rate must be finite and positive, received " +
                                std::to_string(learning_rate));
  }
}

namespace {

std::vector<std::uint64_t>& scratch_notes() {
  thread_local std::vector<std::uint64_t> fids;
  return fids;
}

}  // namespace

Table::TouchNotes::TouchNotes(Table& table, std::size_t max_notes, Log log)
    : table_(table), max_notes_(max_notes), fids_(scratch_notes()) {
  fids_.reserve(max_notes);
  if (log == Log::kMayShrink) table.compact_log();
  const std::lock_guard lock(table.log_mutex_);
  table.log_.reserve(table.num_promised_ + max_notes);
  table.num_promised_ += max_notes;
}

Table::TouchNotes::~TouchNotes() {
  const std::lock_guard lock(table_.log_mutex_);
  for (const std::uint64_t fid : fids_) table_.log_.push(fid);
  table_.num_touched_rows_ += static_cast<std::ptrdiff_t>(fids_.size());
  table_.num_promised_ -= max_notes_;
  fids_.clear();
}

std::uint64_t Table::term(std::uint64_t fid, const float* vector) const noexcept {
  if (options_.digest_precision == Precision::kFloat32) {
    return row_digest_(fid, reinterpret_cast<const std::byte*>(vector), options_.dim * sizeof(float));
  }
  std::byte encoded[sizeof(float) * (Optimizer::kMaxDim + 1)];
  encode_(vector, options_.dim, encoded);
  return row_digest_(fid, encoded, encoded_bytes(options_.digest_precision, options_.dim));
}

std::uint64_t Table::terms(const std::uint64_t* fids, const std::byte* const* rows,
                           std::size_t num_rows) const noexcept {
  if (options_.digest_precision == Precision::kFloat32) {
    return row_digest_sum_(fids, rows, num_rows, options_.dim * sizeof(float));
  }
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < num_rows; ++i) sum += term(fids[i], reinterpret_cast<const float*>(rows[i]));
  return sum;
}

void Table::mark(const Place& place, std::uint32_t marks, std::uint64_t hash, TouchNotes& notes) noexcept {
  const std::uint32_t before = place.bucket->marks(place.cell);
  const std::uint32_t after = ((before | marks) & ~RowMark::kSaved) | saved_parity_;
  if (((after & ~before) & RowMark::kTouched) != 0) notes.add(index_.key(hash));
  if (after != before) place.bucket->set_marks(place.cell, after);
}

void Table::keep_pre_image(Shard& shard, std::uint64_t hash, const Place& place) {
  const std::uint32_t marks = place.bucket->marks(place.cell);
  if (!is_checkpointing_ || (marks & RowMark::kSaved) == saved_parity_) return;
  if (!saves_all_ && (marks & RowMark::kDirty) == 0) return;
  shard.pre_images.add(record_of(hash, place), floats(place.row()),
                       options_.dim + optimizer_.num_state_floats());
}

RowRecord Table::record_of(std::uint64_t hash, const Place& place) const noexcept {
  const std::uint32_t marks = place.bucket->marks(place.cell);
  return {index_.key(hash), place.bucket->stamps[place.cell], slot(place.row()),
          static_cast<std::uint8_t>(place.bucket->count(place.cell)),
          (marks & (RowMark::kTouched | RowMark::kInFlight)) != 0};
}

/// A new row with the given vector, or the initializer's. A FID whose delete is pending must travel again, as a row, whoever created
/// it.
Table::Place Table::create(unsigned number, std::uint64_t hash, std::uint16_t slot_number,
                           std::uint32_t marks, TouchNotes& notes, const float* vector) {
  Shard& shard = shards_[number];
  const std::uint64_t fid = index_.key(hash);
  const std::uint32_t row = rows_.allocate(number);
  Place place;
  try {
    float initial[Optimizer::kMaxDim];
    if (vector == nullptr) {
      initialise_vector(options_.initializer, options_.seed, fid, initial, options_.dim);
      vector = initial;
    }
    store_shared(floats(row), vector, options_.dim * sizeof(float));
    optimizer_.initialise(floats(row) + options_.dim);
    slot(row) = slot_number;
    place = index_.insert(hash, row);
    shard.digest += term(fid, vector);
  } catch (...) {
    rows_.release(row);
    throw;
  }
  shard.ledger.forget(fid);
  if (shard.pending_deletes.erase(fid)) marks |= RowMark::kTouched;
  mark(place, marks | RowMark::kDirty, hash, notes);
  shard.num_rows.store(shard.num_rows.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  ++shard.num_created;
  return place;
}

void Table::remove(Shard& shard, std::uint64_t hash, const Place& place) {
  const std::uint64_t fid = index_.key(hash);
  const bool is_noted = has_base_ || is_checkpointing_;
  if (is_noted) shard.erased_since_checkpoint.push_back(fid);
  try {
    shard.pending_deletes.insert(fid);
    keep_pre_image(shard, hash, place);
  } catch (...) {  // the row stays, so nothing may say that it went
    shard.pending_deletes.erase(fid);
    if (is_noted) shard.erased_since_checkpoint.pop_back();
    throw;
  }
  const std::uint32_t row = place.row();
  if ((place.bucket->marks(place.cell) & RowMark::kTouched) != 0) {
    const std::lock_guard lock(log_mutex_);
    --num_touched_rows_;
  }
  shard.digest -= term(fid, floats(row));
  index_.erase(place);
  rows_.release(row);
  ++shard.epoch;
  shard.num_rows.store(shard.num_rows.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
}

/// Replaces vector and, when given, state of a row.
void Table::write_row(Shard& shard, std::uint64_t fid, std::uint32_t row, const float* vector,
                      const float* state) noexcept {
  shard.digest += term(fid, vector) - term(fid, floats(row));
  store_shared(floats(row), vector, options_.dim * sizeof(float));
  if (state != nullptr) {
    store_shared(floats(row) + options_.dim, state, optimizer_.num_state_floats() * sizeof(float));
  }
}

void Table::assign(std::span<const std::uint64_t> fids, std::span<const std::uint16_t> slots,
                   std::span<const float> vectors) {
  check_sightings(fids.size(), slots.size(), 1);
  check_matrix("vectors", fids.size(), vectors.size());
  check_finite("vectors", vectors);
  const bool begins_anew =
      options_.optimizer.kind == OptimizerKind::kFtrl || options_.optimizer.kind == OptimizerKind::kGroupFtrl;
  BatchPlan& plan = scratch_plan();
  plan.build(fids, index_.salt());
  TouchNotes notes(*this, plan.groups().size());
  for (unsigned number = 0; number < kNumShards; ++number) {
    Shard& shard = shards_[number];
    const ShardLock lock(shard.mutex);
    const auto write = [&](const BatchPlan::Group& group, const Place& place) {
      keep_pre_image(shard, group.hash, place);
      const std::uint32_t row = place.row();
      slot(row) = slots[group.last];
      write_row(shard, index_.key(group.hash), row, vectors.data() + std::size_t{group.last} * options_.dim,
                nullptr);
      if (begins_anew) optimizer_.initialise(floats(row) + options_.dim);
      mark(place, RowMark::kTouched | RowMark::kDirty, group.hash, notes);
    };
    visit_groups(plan.groups_of(number), AskMatrix{plan, vectors.data(), options_.dim}, write,
                 [&](const BatchPlan::Group& group) {
                   create(number, group.hash, slots[group.last], RowMark::kTouched, notes,
                          vectors.data() + std::size_t{group.last} * options_.dim);
                 });
  }
}

std::size_t Table::erase(std::span<const std::uint64_t> fids) {
  check_batch(fids.size());
  BatchPlan& plan = scratch_plan();
  plan.build(fids, index_.salt());
  std::size_t num_erased = 0;
  for (unsigned number = 0; number < kNumShards; ++number) {
    Shard& shard = shards_[number];
    const ShardLock lock(shard.mutex);
    for (const BatchPlan::Group& group : plan.groups_of(number)) {
      const Place place = index_.find(group.hash);
      if (!place) continue;
      remove(shard, group.hash, place);
      ++shard.num_erased;
      ++num_erased;
    }
  }
  return num_erased;
}

std::size_t Table::size() const noexcept {
  std::size_t num = 0;
  for (const Shard& shard : shards_) num += shard.num_rows.load(std::memory_order_relaxed);
  return num;
}

std::size_t Table::memory_bytes() const {
  std::size_t bytes = sizeof *this + index_.memory_bytes() + rows_.memory_bytes() +
                      rows_.num_reserved() * sizeof(std::uint16_t);
  for (const Shard& shard : shards_) {
    const ShardLock lock(shard.mutex);
    bytes += sizeof shard + shard.ledger.memory_bytes() + shard.pending_deletes.memory_bytes() +
             shard.pre_images.memory_bytes() +
             shard.erased_since_checkpoint.capacity() * sizeof(std::uint64_t);
  }
  const std::lock_guard delta_lock(delta_mutex_);
  const std::lock_guard lock(log_mutex_);
  return bytes + log_.memory_bytes() + in_flight_.capacity() * sizeof(std::uint64_t);
}

std::size_t Table::bytes_per_row(std::uint32_t dim, const OptimizerOptions& optimizer) {
  const std::size_t floats = dim + Optimizer(optimizer, dim).num_state_floats();
  constexpr double kIndexBytes =
      sizeof(MarkedBucket) / (MarkedBucket::kCells * MarkedBucket::kMaxLoad * 0.69);
  return floats * sizeof(float) + sizeof(std::uint16_t) + static_cast<std::size_t>(kIndexBytes + 0.5);
}

TableCounters Table::counters() const {
  TableCounters sum;
  for (const Shard& shard : shards_) {
    const ShardLock lock(shard.mutex);
    sum.num_created += shard.num_created;
    sum.num_expired += shard.num_expired;
    sum.num_over_budget += shard.num_over_budget;
    sum.num_erased += shard.num_erased;
    sum.num_turned_away += shard.num_turned_away;
    sum.num_candidates += shard.ledger.num_candidates();
    sum.candidate_bytes += shard.ledger.memory_bytes();
    sum.num_candidates_dropped += shard.ledger.num_dropped();
    sum.num_candidates_decayed += shard.ledger.num_decayed();
  }
  return sum;
}

std::uint64_t Table::digest() const {
  std::uint64_t sum = 0;
  for (const Shard& shard : shards_) {
    const ShardLock lock(shard.mutex);
    sum += shard.digest;
  }
  return sum;
}

std::uint64_t Table::computed_digest() const {
  std::uint64_t sum = 0;
  for (std::uint32_t segment = 0; segment < index_.num_segments(); ++segment) {
    const ShardLock lock(shards_[index_.shard_of_segment(segment)].mutex);
    index_.for_each_in_segment(segment, [&](std::uint64_t hash, const Place& place) {
      sum += term(index_.key(hash), floats(place.row()));
    });
  }
  return sum;
}

}  // namespace freshet
