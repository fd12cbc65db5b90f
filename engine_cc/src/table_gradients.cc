#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "freshet/table.h"
#include "table_visit.h"

namespace freshet {
namespace {

bool is_finite(const float* values, std::size_t num) noexcept {
  std::uint32_t worst = 0;
  for (std::size_t i = 0; i < num; ++i)
    worst = std::max(worst, std::bit_cast<std::uint32_t>(values[i]) & 0x7F800000U);
  return worst != 0x7F800000U;
}

}  // namespace

/// False, with the row as it was, when the gradient is not finite or the row would overflow.
bool Table::update(Shard& shard, std::uint64_t fid, std::uint32_t row, const float* gradient,
                   float learning_rate) noexcept {
  float* const at = floats(row);
  const std::uint64_t before = term(fid, at);
#if FRESHET_CHECKED_WORDS
  float changed[4 * Optimizer::kMaxDim + 4];
  std::memcpy(changed, at, rows_.row_bytes());
  if (!optimizer_.update(changed, gradient, learning_rate)) return false;
  store_shared(at, changed, rows_.row_bytes());
#else
  if (!optimizer_.update(at, gradient, learning_rate)) return false;
#endif
  shard.digest += term(fid, at) - before;
  return true;
}

/// The sum of a group's finite gradients in input order; answers how many were left out.
std::uint32_t Table::sum_gradients(const BatchPlan& plan, const BatchPlan::Group& group,
                                   std::span<const float> grads, float* sum) const noexcept {
  const std::size_t dim = options_.dim;
  std::fill_n(sum, dim, 0.0F);
  std::uint32_t num_rejected = 0;
  for (std::uint32_t at = group.first; at != BatchPlan::kEnd; at = plan.next(at)) {
    const float* const grad = grads.data() + std::size_t{at} * dim;
    if (!is_finite(grad, dim)) {
      ++num_rejected;
      continue;
    }
    for (std::size_t i = 0; i < dim; ++i) sum[i] += grad[i];
  }
  return num_rejected;
}

ApplyResult Table::apply_gradients(std::span<const std::uint64_t> fids, std::span<const float> grads,
                                   float learning_rate) {
  check_batch(fids.size());
  check_matrix("grads", fids.size(), grads.size());
  check_rate(learning_rate);
  BatchPlan& plan = scratch_plan();
  plan.build(fids, index_.salt());
  return apply_found(plan, grads, learning_rate);
}

ApplyResult Table::apply_found(const BatchPlan& plan, std::span<const float> grads, float learning_rate) {
  const std::size_t dim = options_.dim;
  std::vector<float> sum(dim);
  TouchNotes notes(*this, plan.groups().size());
  ApplyResult result;
  for (unsigned number = 0; number < kNumShards; ++number) {
    Shard& shard = shards_[number];
    const ShardLock lock(shard.mutex);
    visit_groups(
        plan, number,
        [&](const BatchPlan::Group& group, const Place& place) {
          const float* gradient = grads.data() + std::size_t{group.first} * dim;
          std::uint32_t num_rejected = 0;
          if (group.size > 1) {
            num_rejected = sum_gradients(plan, group, grads, sum.data());
            gradient = sum.data();
          }
          if (num_rejected < group.size) {
            keep_pre_image(shard, group.hash, place);
            if (update(shard, index_.key(group.hash), place.row(), gradient, learning_rate)) {
              mark(place, RowMark::kTouched | RowMark::kDirty, group.hash, notes);
            } else {
              // Kept for a checkpoint without need; the mark must say so or it would be kept twice.
              mark(place, 0, group.hash, notes);
              num_rejected = group.size;
            }
          }
          result.num_rejected += num_rejected;
          result.num_applied += group.size - num_rejected;
        },
        [&](const BatchPlan::Group& group) { result.num_absent += group.size; });
  }
  return result;
}

ApplyResult Table::apply(const SightedBatch& batch, std::span<const float> grads, float learning_rate) {
  check_matrix("grads", batch.fids.size(), grads.size());
  check_rate(learning_rate);
  const std::size_t dim = options_.dim;
  ApplyResult result;
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
    for (std::uint32_t i = batch.begin[number]; i < end; ++i) {
      constexpr std::uint32_t kAhead = 32;
      if (i + kAhead < end && batch.rows[i + kAhead] != Index::kAbsent)
        rows_.prefetch(batch.rows[i + kAhead]);
      if (batch.rows[i] == Index::kAbsent) {
        ++result.num_absent;
      } else if (update(shard, batch.fids[i], batch.rows[i], grads.data() + i * dim, learning_rate)) {
        ++result.num_applied;
      } else {
        ++result.num_rejected;
      }
    }
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
