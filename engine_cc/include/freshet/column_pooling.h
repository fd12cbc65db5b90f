#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "freshet/pooling.h"

namespace freshet {

/// The bags of some slots, pooled into a matrix that has everything of a row side by side.
///
/// Bag r * columns.size() + s is what row r has in slot s; its vector goes to the columns from columns[s] on. Line i of the
/// matrix is of row row_of[i], or of row i when `row_of` is empty: a row that is in several pairs is written into each.
struct ColumnBags {
  Pooling pooling = Pooling::kMean;  // any but kFirstN
  std::size_t dim = 0;
  std::span<const std::int32_t> members;
  std::span<const std::int64_t> splits;
  std::span<const std::int32_t> columns;
  std::span<const std::int32_t> row_of;
};

/// Where the lines are: floats from `first` on, `width` apart.
template <typename Float>
struct Lines {
  Float* first;
  std::size_t num;
  std::size_t width;
};

/// Pools `rows`, float[num_rows, dim], into the bags' columns of every line; other columns stay as they are.
///
/// The values are those of `pool`, bit for bit. Throws std::invalid_argument, before anything is written, when a span is not
/// as `pool` wants it, a column would not fit, or a row of `row_of` has no bags; the message has the element, the rule and what
/// was received.
void pool_columns(const ColumnBags& bags, const float* rows, std::size_t num_rows, Lines<float> out);

/// Adds to `row_gradients`, float[num_rows, dim], the gradient with respect to the rows that were pooled, given that of the
/// lines: in the order of the lines, and within one of the positions. Throws as `pool_columns`.
void pool_columns_gradient(const ColumnBags& bags, Lines<const float> gradient, std::size_t num_rows,
                           float* row_gradients);

}  // namespace freshet
