#include "freshet/row_merge.h"

#include <algorithm>
#include <cstddef>

namespace freshet {

MergedRows merge_rows(std::span<const std::span<const std::int32_t>> lists) {
  std::size_t num = 0;
  std::size_t end = 0;
  for (const auto& list : lists) {
    num += list.size();
    for (const std::int32_t row : list) end = std::max(end, static_cast<std::size_t>(row) + 1);
  }
  MergedRows merged;
  merged.rows.reserve(num);
  merged.lists.reserve(num);
  // False for every row between two calls; nothing below throws.
  thread_local std::vector<std::uint8_t> is_there;
  if (is_there.size() < end) is_there.resize(end, 0);
  for (std::size_t number = 0; number < lists.size(); ++number) {
    for (const std::int32_t row : lists[number]) {
      std::uint8_t& mark = is_there[static_cast<std::size_t>(row)];
      if (mark != 0) continue;
      mark = 1;
      merged.rows.push_back(row);
      merged.lists.push_back(static_cast<std::int16_t>(number));
    }
  }
  for (const std::int32_t row : merged.rows) is_there[static_cast<std::size_t>(row)] = 0;
  return merged;
}

}  // namespace freshet
