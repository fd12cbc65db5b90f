#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace freshet {

/// Rows, each once, in the order in which they came first, and for each the number of the list that it came in first.
struct MergedRows {
  std::vector<std::int32_t> rows;
  std::vector<std::int16_t> lists;
};

/// The rows of several lists, one list after the other. Rows from 0 on; at most 32,767 lists. O(rows) and, once a thread, O(the greatest
/// row); throws std::bad_alloc. Safe beside itself on any number of threads.
MergedRows merge_rows(std::span<const std::span<const std::int32_t>> lists);

}  // namespace freshet
