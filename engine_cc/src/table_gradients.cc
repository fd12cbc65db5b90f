#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "freshet/gradient_groups.h"
#include "freshet/table.h"

namespace freshet {
namespace {

constexpr std::size_t kAhead = 8;  // rows prefetched before their turn

bool all_finite(const float* values, std::size_t size) noexcept {
  std::uint32_t bad = 0;  // as wide as a float, so that the loop is vectorised
  for (std::size_t i = 0; i < size; ++i) bad |= std::fabs(values[i]) <= FLT_MAX ? 0 : 1;
  return bad == 0;
}

/// The group's gradient: the caller's own row when there is one position, otherwise the sum in `sum`.
const float* sum_of(const GradientGroups& groups, const GradientGroups::Group& group, const float* grads,
                    std::vector<float>& sum) noexcept {
  const std::size_t dim = sum.size();
  const float* const first = grads + group.first * dim;
  if (group.num_positions == 1) return first;
  std::copy_n(first, dim, sum.data());
  for (std::uint32_t at = groups.next(group.first); at != GradientGroups::kEnd; at = groups.next(at)) {
    const float* const grad = grads + at * dim;
    for (std::size_t i = 0; i < dim; ++i) sum[i] += grad[i];
  }
  return sum.data();
}

}  // namespace

/// False when an accumulator would leave the finite floats: it would stop its coordinate from ever learning
/// again.
bool Table::accepts(std::uint32_t row, const float* grad) const noexcept {
  const float* const accumulator = rows_.accumulator(row);
  const std::size_t dim = options_.dim;
  std::uint32_t bad = 0;
  for (std::size_t i = 0; i < dim; ++i) bad |= accumulator[i] + grad[i] * grad[i] <= FLT_MAX ? 0 : 1;
  return bad == 0;
}

/// Duchi, Hazan and Singer, JMLR 2011, per coordinate.
void Table::adagrad(std::uint32_t row, const float* grad, float learning_rate) noexcept {
  float* const weight = rows_.vector(row);
  float* const accumulator = rows_.accumulator(row);
  const std::size_t dim = options_.dim;
  for (std::size_t i = 0; i < dim; ++i) {
    accumulator[i] += grad[i] * grad[i];
    weight[i] -= learning_rate * grad[i] / std::sqrt(accumulator[i]);
  }
}

ApplyResult Table::apply_gradients(std::span<const std::uint64_t> fids, std::span<const float> grads,
                                   float learning_rate) {
  check_batch(fids.size());
  check_matrix("grads", fids.size(), grads.size());
  if (!std::isfinite(learning_rate) || learning_rate <= 0) {
    throw std::invalid_argument("learning_rate must be finite and positive, received " +
                                std::to_string(learning_rate));
  }
  const std::size_t dim = options_.dim;
  ApplyResult result;
  GradientGroups groups(fids.size());
  std::vector<float> sum(dim);
  const Lock lock(mutex_);
  for_each_row(fids, true, [&](std::size_t position, std::uint32_t row) {
    if (row == KeyIndex::kAbsent) {
      ++result.num_absent;
    } else if (!all_finite(grads.data() + position * dim, dim)) {
      ++result.num_rejected;
    } else {
      groups.add(row, static_cast<std::uint32_t>(position));
    }
  });
  const auto all = groups.groups();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i + kAhead < all.size()) rows_.prefetch(all[i + kAhead].row, true);
    const float* const grad = sum_of(groups, all[i], grads.data(), sum);
    if (!accepts(all[i].row, grad)) {
      result.num_rejected += all[i].num_positions;
      continue;
    }
    touched_.touch(all[i].row);
    adagrad(all[i].row, grad, learning_rate);
    result.num_applied += all[i].num_positions;
  }
  return result;
}

}  // namespace freshet
