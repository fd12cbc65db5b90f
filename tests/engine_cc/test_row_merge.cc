// Rows of several lists come once, where they came first, however often they are asked for.

#include <span>
#include <vector>

#include "check.h"
#include "freshet/row_merge.h"

using namespace freshet;

int main() {
  const std::vector<std::int32_t> first = {7, 2, 7, 0};
  const std::vector<std::int32_t> second = {};
  const std::vector<std::int32_t> third = {2, 900, 0, 3};
  const std::vector<std::span<const std::int32_t>> lists = {first, second, third};
  for (int times = 0; times < 2; ++times) {
    const MergedRows merged = merge_rows(lists);
    CHECK((merged.rows == std::vector<std::int32_t>{7, 2, 0, 900, 3}));
    CHECK((merged.lists == std::vector<std::int16_t>{0, 0, 0, 2, 2}));
  }
  CHECK(merge_rows({}).rows.empty());
  return 0;
}
