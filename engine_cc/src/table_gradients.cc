#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "freshet/dispatch.h"
#include "freshet/table.h"
#include "table_visit.h"

namespace freshet {
namespace {

/// Adds a gradient to a sum, which begins with it when `is_first`, unless the gradient is not finite.
FRESHET_CLONES bool add_if_finite(const float* grad, std::size_t dim, float* sum, bool is_first) noexcept {
  std::int32_t most = 0;
  for (std::size_t i = 0; i < dim; ++i)
    most = std::max(most, std::bit_cast<std::int32_t>(grad[i]) & 0x7FFFFFFF);
  if (most >= 0x7F800000) return false;
  if (is_first) {
    for (std::size_t i = 0; i < dim; ++i) sum[i] = grad[i];
  } else {
    for (std::size_t i = 0; i < dim; ++i) sum[i] += grad[i];
  }
  return true;
}

}  // namespace

/// False, with the row as it was, when the gradient is not finite or the row would overflow.
bool Table::step(float* row, const float* gradient, float learning_rate) const noexcept {
#if FRESHET_CHECKED_WORDS
  float changed[4 * Optimizer::kMaxDim + 4];
  std::memcpy(changed, row, rows_.row_bytes());
  if (!optimizer_.update(changed, gradient, learning_rate)) return false;
  store_shared(row, changed, rows_.row_bytes());
  return true;
#else
  return optimizer_.update(row, gradient, learning_rate);
#endif
}

/// Steps of a few rows of a shard whose lock is held. The digest of all rows before, all steps, the digest of all rows
/// after, in three loops: to read back a row that was written a moment ago would wait until the store has left the
/// processor, behind others that wait for memory.
class Table::Updater {
 public:
  static constexpr std::size_t kMost = GroupBurst::kSize;

  explicit Updater(Table& table) : table_(table) {}

  void add(std::uint64_t fid, std::uint32_t row, const float* gradient) noexcept {
    fids_[num_] = fid;
    rows_[num_] = table_.rows_.at(row);
    gradients_[num_++] = gradient;
  }
  std::size_t size() const noexcept { return num_; }
  bool was_stepped(std::size_t number) const noexcept { return was_stepped_[number]; }
  void clear() noexcept { num_ = 0; }

  void run(Shard& shard, float learning_rate) noexcept {
    shard.digest -= table_.terms(fids_, rows_, num_);
    for (std::size_t i = 0; i < num_; ++i) {
      was_stepped_[i] = table_.step(reinterpret_cast<float*>(rows_[i]), gradients_[i], learning_rate);
    }
    shard.digest += table_.terms(fids_, rows_, num_);
  }

 private:
  Table& table_;
  std::uint64_t fids_[kMost];
  std::byte* rows_[kMost];
  const float* gradients_[kMost];
  bool was_stepped_[kMost];
  std::size_t num_ = 0;
};

/// What `apply_gradients` does with a burst of groups.
class Table::UpdateBurst {
 public:
  UpdateBurst(Table& table, const BatchPlan& plan, std::span<const float> grads, float learning_rate)
      : table_(table),
        plan_(plan),
        grads_(grads),
        learning_rate_(learning_rate),
        notes_(table, plan.groups().size()),
        updater_(table),
        sums_(GroupBurst::kSize * table.dim()) {}

  void begin(Shard& shard) noexcept { shard_ = &shard; }
  void absent(const BatchPlan::Group& group) noexcept { result_.num_absent += group.size; }
  const ApplyResult& result() const noexcept { return result_; }

  void visit(const GroupBurst& burst) {
    std::uint32_t numbers[GroupBurst::kSize];
    updater_.clear();
    for (std::uint32_t i = 0; i < burst.groups.size(); ++i) {
      if (!burst.places[i]) continue;
      const BatchPlan::Group& group = burst.groups[i];
      rejected_[i] = 0;
      const float* const gradient = group.size == 1 ? at(group.first) : sum(group, i);
      if (rejected_[i] == group.size) {
        result_.num_rejected += group.size;
        continue;
      }
      table_.keep_pre_image(*shard_, group.hash, burst.places[i]);
      numbers[updater_.size()] = i;
      updater_.add(table_.index_.key(group.hash), burst.places[i].row(), gradient);
    }
    updater_.run(*shard_, learning_rate_);
    for (std::size_t number = 0; number < updater_.size(); ++number) {
      const std::uint32_t i = numbers[number];
      const BatchPlan::Group& group = burst.groups[i];
      const bool was_stepped = updater_.was_stepped(number);
      // Even a row that was left as it was is marked: a running checkpoint has its copy.
      table_.mark(burst.places[i], was_stepped ? RowMark::kTouched | RowMark::kDirty : 0, group.hash, notes_);
      const std::uint32_t num_rejected = was_stepped ? rejected_[i] : group.size;
      result_.num_rejected += num_rejected;
      result_.num_applied += group.size - num_rejected;
    }
  }

 private:
  const float* at(std::uint32_t position) const noexcept {
    return grads_.data() + std::size_t{position} * table_.dim();
  }

  /// The sum of a group's finite gradients in input order.
  const float* sum(const BatchPlan::Group& group, std::uint32_t i) noexcept {
    float* const total = sums_.data() + i * table_.dim();
    bool is_first = true;
    for (std::uint32_t position = group.first; position != BatchPlan::kEnd; position = plan_.next(position)) {
      if (add_if_finite(at(position), table_.dim(), total, is_first)) {
        is_first = false;
      } else {
        ++rejected_[i];
      }
    }
    return total;
  }

  Table& table_;
  const BatchPlan& plan_;
  const std::span<const float> grads_;
  const float learning_rate_;
  TouchNotes notes_;
  Updater updater_;
  std::vector<float> sums_;
  std::uint32_t rejected_[GroupBurst::kSize] = {};
  Shard* shard_ = nullptr;
  ApplyResult result_;
};

ApplyResult Table::apply_gradients(std::span<const std::uint64_t> fids, std::span<const float> grads,
                                   float learning_rate) {
  check_batch(fids.size());
  check_matrix("grads", fids.size(), grads.size());
  check_rate(learning_rate);
  BatchPlan& plan = scratch_plan();
  plan.build(fids, index_.salt());
  UpdateBurst update(*this, plan, grads, learning_rate);
  for (unsigned number = 0; number < kNumShards; ++number) {
    const ShardLock lock(shards_[number].mutex);
    update.begin(shards_[number]);
    visit_groups(plan.groups_of(number), AskMatrix{plan, grads.data(), options_.dim}, update,
                 [&](const BatchPlan::Group& group) { update.absent(group); });
  }
  return update.result();
}

ApplyResult Table::apply(const SightedBatch& batch, std::span<const float> grads, float learning_rate) {
  check_matrix("grads", batch.fids.size(), grads.size());
  check_rate(learning_rate);
  const std::size_t dim = options_.dim;
  ApplyResult result;
  Updater updater(*this);
  std::vector<std::uint64_t> again;  // FIDs of shards whose rows or marks are no longer as they were
  std::vector<float> again_grads;
  for (unsigned number = 0; number < kNumShards; ++number) {
    Shard& shard = shards_[number];
    const std::uint32_t end = batch.begin[number + 1];
    const ShardLock lock(shard.mutex);
    if (batch.epochs[number] != shard.epoch) {
      again.insert(again.end(), batch.fids.begin() + batch.begin[number], batch.fids.begin() + end);
      again_grads.insert(again_grads.end(),
                         grads.begin() + static_cast<std::ptrdiff_t>(batch.begin[number] * dim),
                         grads.begin() + static_cast<std::ptrdiff_t>(end * dim));
      continue;
    }
    const auto run = [&] {
      updater.run(shard, learning_rate);
      for (std::size_t i = 0; i < updater.size(); ++i) {
        ++(updater.was_stepped(i) ? result.num_applied : result.num_rejected);
      }
      updater.clear();
    };
    const auto ask = [&](std::uint32_t i) {
      if (i < end && batch.rows[i] != Index::kAbsent) rows_.prefetch(batch.rows[i]);
    };
    for (std::uint32_t i = batch.begin[number]; i < batch.begin[number] + Updater::kMost; ++i) ask(i);
    for (std::uint32_t i = batch.begin[number]; i < end; ++i) {
      ask(i + Updater::kMost);
      if (batch.rows[i] == Index::kAbsent) {
        ++result.num_absent;
        continue;
      }
      updater.add(batch.fids[i], batch.rows[i], grads.data() + i * dim);
      if (updater.size() == Updater::kMost) run();
    }
    run();
  }
  if (!again.empty()) {
    const ApplyResult rest = apply_gradients(again, again_grads, learning_rate);
    result.num_applied += rest.num_applied;
    result.num_absent += rest.num_absent;
    result.num_rejected += rest.num_rejected;
  }
  return result;
}

}  // namespace freshet
