#include "freshet/column_pooling.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "bag_checks.h"
#include "freshet/dispatch.h"
#include "freshet/shared_words.h"

namespace freshet {
namespace {

/// How many positions ahead a row is asked for: about the time that one takes to arrive.
constexpr std::size_t kAhead = 24;

void check(const ColumnBags& bags, std::size_t num_rows, std::size_t num_lines, std::size_t width) {
  if (bags.pooling == Pooling::kFirstN) refuse_bags("pooling", "must be sum, mean or sqrtn", "first_n");
  if (bags.dim == 0) refuse_bags("dim", "must be at least 1", "0");
  check_splits(bags.splits, bags.members.size());
  check_members(bags.members, num_rows);
  const std::size_t num_slots = bags.columns.size();
  if (num_slots == 0) refuse_bags("columns", "must have at least one element", "none");
  for (std::size_t slot = 0; slot < num_slots; ++slot) {
    if (bags.columns[slot] >= 0 && static_cast<std::size_t>(bags.columns[slot]) + bags.dim <= width) continue;
    refuse_bags(
        "columns[" + std::to_string(slot) + "]",
        "must leave room for " + std::to_string(bags.dim) + " of " + std::to_string(width) + " columns",
        std::to_string(bags.columns[slot]));
  }
  const std::size_t num_bags = bags.splits.size() - 1;
  if (num_bags % num_slots != 0) {
    refuse_bags("splits", "must have a bag for each of " + std::to_string(num_slots) + " slots of every row",
                std::to_string(num_bags) + " bags");
  }
  const std::size_t num_bag_rows = num_bags / num_slots;
  const std::size_t num_named = bags.row_of.empty() ? num_bag_rows : bags.row_of.size();
  if (num_named != num_lines) {
    refuse_bags("row_of", "must have one element for each of " + std::to_string(num_lines) + " lines",
                std::to_string(num_named));
  }
  for (std::size_t i = 0; i < bags.row_of.size(); ++i) {
    if (bags.row_of[i] >= 0 && static_cast<std::size_t>(bags.row_of[i]) < num_bag_rows) continue;
    refuse_bags("row_of[" + std::to_string(i) + "]", "must be a row below " + std::to_string(num_bag_rows),
                std::to_string(bags.row_of[i]));
  }
}

/// kDim 0: any.
template <std::size_t kDim>
struct Walk {
  const ColumnBags& bags;

  std::size_t dim() const noexcept { return kDim == 0 ? bags.dim : kDim; }

  /// Calls `visit(line, slot, begin, end)` for every bag, lines in order.
  template <typename Float, typename Visit>
  void each_bag(Lines<Float> lines, const float* rows, Visit visit) const {
    const std::size_t num_slots = bags.columns.size();
    const std::int32_t* const members = bags.members.data();
    const std::size_t num_members = bags.members.size();
    Float* line = lines.first;
    for (std::size_t i = 0; i < lines.num; ++i, line += lines.width) {
      const std::size_t row = bags.row_of.empty() ? i : static_cast<std::size_t>(bags.row_of[i]);
      const std::int64_t* const splits = bags.splits.data() + row * num_slots;
      for (std::size_t slot = 0; slot < num_slots; ++slot) {
        const auto begin = static_cast<std::size_t>(splits[slot]);
        const auto end = static_cast<std::size_t>(splits[slot + 1]);
        if (begin + kAhead < num_members && members[begin + kAhead] >= 0) {
          prefetch_to_read(rows + static_cast<std::size_t>(members[begin + kAhead]) * dim());
        }
        visit(line + bags.columns[slot], begin, end);
      }
    }
  }

  float divisor(std::size_t num) const noexcept {
    if (bags.pooling == Pooling::kSum) return 1.0F;
    return bags.pooling == Pooling::kMean ? static_cast<float>(num) : std::sqrt(static_cast<float>(num));
  }

  void pool(const float* rows, Lines<float> out) const noexcept {
    each_bag(out, rows, [&](float* to, std::size_t begin, std::size_t end) {
      if (end - begin == 1 && bags.members[begin] >= 0) {  // as most are: a sum of one, over 1
        std::memcpy(to, rows + static_cast<std::size_t>(bags.members[begin]) * dim(), dim() * sizeof(float));
        return;
      }
      std::fill_n(to, dim(), 0.0F);
      for (std::size_t p = begin; p < end; ++p) {
        if (bags.members[p] < 0) continue;
        const float* const from = rows + static_cast<std::size_t>(bags.members[p]) * dim();
        for (std::size_t column = 0; column < dim(); ++column) to[column] += from[column];
      }
      if (end - begin < 2) return;
      const float by = divisor(end - begin);
      for (std::size_t column = 0; column < dim(); ++column) to[column] /= by;
    });
  }

  void spread(Lines<const float> gradient, float* row_gradients) const noexcept {
    each_bag(gradient, row_gradients, [&](const float* from, std::size_t begin, std::size_t end) {
      const float by = divisor(end - begin);
      for (std::size_t p = begin; p < end; ++p) {
        if (bags.members[p] < 0) continue;
        float* const to = row_gradients + static_cast<std::size_t>(bags.members[p]) * dim();
        if (end - begin == 1) {
          for (std::size_t column = 0; column < dim(); ++column) to[column] += from[column];
        } else {
          for (std::size_t column = 0; column < dim(); ++column) to[column] += from[column] / by;
        }
      }
    });
  }
};

FRESHET_CLONES void pool_16(const ColumnBags& bags, const float* rows, Lines<float> out) {
  Walk<16>{bags}.pool(rows, out);
}
FRESHET_CLONES void pool_any(const ColumnBags& bags, const float* rows, Lines<float> out) {
  Walk<0>{bags}.pool(rows, out);
}
FRESHET_CLONES void spread_16(const ColumnBags& bags, Lines<const float> gradient, float* row_gradients) {
  Walk<16>{bags}.spread(gradient, row_gradients);
}
FRESHET_CLONES void spread_any(const ColumnBags& bags, Lines<const float> gradient, float* row_gradients) {
  Walk<0>{bags}.spread(gradient, row_gradients);
}

}  // namespace

void pool_columns(const ColumnBags& bags, const float* rows, std::size_t num_rows, Lines<float> out) {
  check(bags, num_rows, out.num, out.width);
  return bags.dim == 16 ? pool_16(bags, rows, out) : pool_any(bags, rows, out);
}

void pool_columns_gradient(const ColumnBags& bags, Lines<const float> gradient, std::size_t num_rows,
                           float* row_gradients) {
  check(bags, num_rows, gradient.num, gradient.width);
  return bags.dim == 16 ? spread_16(bags, gradient, row_gradients)
                        : spread_any(bags, gradient, row_gradients);
}

}  // namespace freshet
