#include "freshet/pooling.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "bag_checks.h"
#include "freshet/dispatch.h"

namespace freshet {
namespace {

/// A row of floats is worked on in columns: as many at a time as the widest register holds, then fewer. The
/// compiler makes narrower steps of them where registers are narrower.
using Columns16 [[gnu::vector_size(64)]] = float;
using Columns4 [[gnu::vector_size(16)]] = float;

template <typename Columns>
[[gnu::always_inline]] inline void load(const float* from, Columns& columns) noexcept {
  std::memcpy(&columns, from, sizeof columns);
}

template <typename Columns>
[[gnu::always_inline]] inline void store(const Columns& columns, float* to) noexcept {
  std::memcpy(to, &columns, sizeof columns);
}

/// The arguments that both directions share.
struct Bags {
  Pooling pooling;
  std::size_t first_n;
  std::size_t dim;
  std::span<const std::int32_t> members;
  std::span<const std::int64_t> splits;
  std::span<const float> weights;

  std::size_t size() const noexcept { return splits.size() - 1; }
  std::size_t begin_of(std::size_t bag) const noexcept { return static_cast<std::size_t>(splits[bag]); }
  std::size_t end_of(std::size_t bag) const noexcept { return static_cast<std::size_t>(splits[bag + 1]); }
};

void check(const Bags& bags, std::size_t num_rows) {
  if (bags.dim == 0) refuse_bags("dim", "must be at least 1", "0");
  if (bags.pooling == Pooling::kFirstN && bags.first_n == 0)
    refuse_bags("first_n", "must be at least 1", "0");
  check_splits(bags.splits, bags.members.size());
  check_members(bags.members, num_rows);
  if (bags.weights.empty() || bags.weights.size() == bags.members.size()) return;
  refuse_bags(
      "weights",
      "must have one element for each of " + std::to_string(bags.members.size()) + " members, or none",
      std::to_string(bags.weights.size()));
}

/// What a bag's sum is divided by; for kSum 1, by which division is exact.
float divisor_of(const Bags& bags, std::size_t begin, std::size_t end) noexcept {
  if (bags.pooling == Pooling::kSum) return 1.0F;
  const bool mean = bags.pooling == Pooling::kMean;
  float total = 0.0F;
  if (bags.weights.empty()) {
    total = static_cast<float>(end - begin);
  } else {
    for (const float weight : bags.weights.subspan(begin, end - begin)) {
      total += mean ? weight : weight * weight;
    }
  }
  return mean ? total : std::sqrt(total);
}

/// Sums `Columns` columns at a time from `column` on, as long as there are as many; gives the first column
/// left over.
template <typename Columns, bool kWeighted>
[[gnu::always_inline]] inline std::size_t sum_columns(const Bags& bags, const float* rows, std::size_t begin,
                                                      std::size_t end, float divisor, std::size_t column,
                                                      float* out) noexcept {
  constexpr std::size_t kNumColumns = sizeof(Columns) / sizeof(float);
  for (; column + kNumColumns <= bags.dim; column += kNumColumns) {
    Columns sum{};
    for (std::size_t p = begin; p < end; ++p) {
      const std::int32_t member = bags.members[p];
      if (member < 0) continue;
      Columns vector;
      load(rows + static_cast<std::size_t>(member) * bags.dim + column, vector);
      if constexpr (kWeighted) {
        sum += vector * bags.weights[p];
      } else {
        sum += vector;
      }
    }
    sum /= divisor;
    store(sum, out + column);
  }
  return column;
}

template <bool kWeighted>
[[gnu::always_inline]] inline void sum_bags(const Bags& bags, const float* rows, float* out) noexcept {
  for (std::size_t bag = 0; bag < bags.size(); ++bag, out += bags.dim) {
    const std::size_t begin = bags.begin_of(bag);
    const std::size_t end = bags.end_of(bag);
    const float divisor = divisor_of(bags, begin, end);
    if (divisor == 0.0F) {
      std::fill_n(out, bags.dim, 0.0F);
      continue;
    }
    std::size_t column = sum_columns<Columns16, kWeighted>(bags, rows, begin, end, divisor, 0, out);
    column = sum_columns<Columns4, kWeighted>(bags, rows, begin, end, divisor, column, out);
    sum_columns<float, kWeighted>(bags, rows, begin, end, divisor, column, out);
  }
}

FRESHET_CLONES void sum_plain_bags(const Bags& bags, const float* rows, float* out) noexcept {
  sum_bags<false>(bags, rows, out);
}

FRESHET_CLONES void sum_weighted_bags(const Bags& bags, const float* rows, float* out) noexcept {
  sum_bags<true>(bags, rows, out);
}

FRESHET_CLONES void lay_out_first_n(const Bags& bags, const float* rows, float* out) noexcept {
  for (std::size_t bag = 0; bag < bags.size(); ++bag) {
    const std::size_t begin = bags.begin_of(bag);
    const std::size_t end = bags.end_of(bag);
    for (std::size_t place = 0; place < bags.first_n; ++place, out += bags.dim) {
      const std::size_t p = begin + place;
      if (p >= end || bags.members[p] < 0) {
        std::fill_n(out, bags.dim, 0.0F);
        continue;
      }
      const float* const row = rows + static_cast<std::size_t>(bags.members[p]) * bags.dim;
      const float weight = bags.weights.empty() ? 1.0F : bags.weights[p];
      for (std::size_t i = 0; i < bags.dim; ++i) out[i] = row[i] * weight;
    }
  }
}

/// Adds a bag's gradient to those of its rows, `Columns` columns at a time.
template <typename Columns, bool kWeighted>
[[gnu::always_inline]] inline std::size_t spread_columns(const Bags& bags, const float* gradient,
                                                         std::size_t begin, std::size_t end, float divisor,
                                                         std::size_t column, float* row_gradients) noexcept {
  constexpr std::size_t kNumColumns = sizeof(Columns) / sizeof(float);
  for (; column + kNumColumns <= bags.dim; column += kNumColumns) {
    Columns share;
    load(gradient + column, share);
    share /= divisor;
    for (std::size_t p = begin; p < end; ++p) {
      const std::int32_t member = bags.members[p];
      if (member < 0) continue;
      float* const row = row_gradients + static_cast<std::size_t>(member) * bags.dim + column;
      Columns sum;
      load(row, sum);
      if constexpr (kWeighted) {
        sum += share * bags.weights[p];
      } else {
        sum += share;
      }
      store(sum, row);
    }
  }
  return column;
}

template <bool kWeighted>
[[gnu::always_inline]] inline void spread_bags(const Bags& bags, const float* gradient,
                                               float* row_gradients) noexcept {
  for (std::size_t bag = 0; bag < bags.size(); ++bag, gradient += bags.dim) {
    const std::size_t begin = bags.begin_of(bag);
    const std::size_t end = bags.end_of(bag);
    const float divisor = divisor_of(bags, begin, end);
    if (divisor == 0.0F) continue;
    std::size_t column =
        spread_columns<Columns16, kWeighted>(bags, gradient, begin, end, divisor, 0, row_gradients);
    column = spread_columns<Columns4, kWeighted>(bags, gradient, begin, end, divisor, column, row_gradients);
    spread_columns<float, kWeighted>(bags, gradient, begin, end, divisor, column, row_gradients);
  }
}

FRESHET_CLONES void spread_plain_bags(const Bags& bags, const float* gradient,
                                      float* row_gradients) noexcept {
  spread_bags<false>(bags, gradient, row_gradients);
}

FRESHET_CLONES void spread_weighted_bags(const Bags& bags, const float* gradient,
                                         float* row_gradients) noexcept {
  spread_bags<true>(bags, gradient, row_gradients);
}

FRESHET_CLONES void collect_first_n(const Bags& bags, const float* gradient, float* row_gradients) noexcept {
  for (std::size_t bag = 0; bag < bags.size(); ++bag, gradient += bags.first_n * bags.dim) {
    const std::size_t begin = bags.begin_of(bag);
    const std::size_t num_places = std::min(bags.end_of(bag) - begin, bags.first_n);
    for (std::size_t place = 0; place < num_places; ++place) {
      const std::int32_t member = bags.members[begin + place];
      if (member < 0) continue;
      const float* const from = gradient + place * bags.dim;
      float* const row = row_gradients + static_cast<std::size_t>(member) * bags.dim;
      const float weight = bags.weights.empty() ? 1.0F : bags.weights[begin + place];
      for (std::size_t i = 0; i < bags.dim; ++i) row[i] += from[i] * weight;
    }
  }
}

}  // namespace

void pool(Pooling pooling, std::uint32_t first_n, const float* rows, std::size_t num_rows, std::uint32_t dim,
          std::span<const std::int32_t> members, std::span<const std::int64_t> splits,
          std::span<const float> weights, float* out) {
  const Bags bags{pooling, first_n, dim, members, splits, weights};
  check(bags, num_rows);
  if (pooling == Pooling::kFirstN) return lay_out_first_n(bags, rows, out);
  if (weights.empty()) return sum_plain_bags(bags, rows, out);
  sum_weighted_bags(bags, rows, out);
}

void pool_gradient(Pooling pooling, std::uint32_t first_n, const float* out_gradient, std::uint32_t dim,
                   std::span<const std::int32_t> members, std::span<const std::int64_t> splits,
                   std::span<const float> weights, std::size_t num_rows, float* row_gradients) {
  const Bags bags{pooling, first_n, dim, members, splits, weights};
  check(bags, num_rows);
  std::fill_n(row_gradients, num_rows * dim, 0.0F);
  if (pooling == Pooling::kFirstN) return collect_first_n(bags, out_gradient, row_gradients);
  if (weights.empty()) return spread_plain_bags(bags, out_gradient, row_gradients);
  spread_weighted_bags(bags, out_gradient, row_gradients);
}

}  // namespace freshet
