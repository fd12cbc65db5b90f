// Values of several slots come row by row, and slot by slot within a row, whatever number of them a row has.

#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.h"
#include "freshet/bag_layout.h"

using namespace freshet;

namespace {

struct Column {
  std::vector<std::uint64_t> fids;
  std::vector<std::int32_t> offsets = {0};
};

struct Found {
  std::vector<std::uint64_t> fids;
  std::vector<std::uint16_t> slots;
  std::vector<std::uint32_t> seen_at_s;
  std::vector<std::int64_t> splits;
};

std::vector<SlotColumn> slots_of(const std::vector<Column>& columns) {
  std::vector<SlotColumn> slots;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    slots.push_back({columns[i].fids, columns[i].offsets, static_cast<std::uint16_t>(i + 5)});
  }
  return slots;
}

Found laid_out(const std::vector<Column>& columns, const std::vector<std::uint32_t>& seen_at_s) {
  const std::vector<SlotColumn> slots = slots_of(columns);
  check_layout(slots, seen_at_s);
  std::size_t num = 0;
  for (const Column& column : columns) num += column.fids.size();
  Found found{std::vector<std::uint64_t>(num), std::vector<std::uint16_t>(num),
              std::vector<std::uint32_t>(num),
              std::vector<std::int64_t>((columns[0].offsets.size() - 1) * columns.size() + 1)};
  lay_out(slots, seen_at_s,
          {found.fids.data(), found.slots.data(), seen_at_s.empty() ? nullptr : found.seen_at_s.data(),
           found.splits.data()});
  return found;
}

void test_by_hand() {
  const std::vector<Column> columns = {{{10, 11, 12}, {0, 2, 2, 3}}, {{20, 21}, {0, 0, 1, 2}}};
  const Found found = laid_out(columns, {100, 200, 300});
  CHECK((found.fids == std::vector<std::uint64_t>{10, 11, 20, 12, 21}));
  CHECK((found.slots == std::vector<std::uint16_t>{5, 5, 6, 5, 6}));
  CHECK((found.seen_at_s == std::vector<std::uint32_t>{100, 100, 200, 300, 300}));
  CHECK((found.splits == std::vector<std::int64_t>{0, 2, 2, 2, 3, 4, 5}));
}

/// One value each has a way of its own, which must make no difference.
void test_random_columns_match_the_definition() {
  std::mt19937_64 random(4);
  for (int trial = 0; trial < 60; ++trial) {
    const bool one_each = trial % 2 == 0;
    const std::size_t num_rows = random() % 30;
    std::vector<Column> columns(1 + random() % 5);
    std::vector<std::uint32_t> seen_at_s;
    for (std::size_t row = 0; row < num_rows; ++row) {
      seen_at_s.push_back(static_cast<std::uint32_t>(random()));
      for (Column& column : columns) {
        for (std::size_t i = one_each ? 1 : random() % 3; i != 0; --i) column.fids.push_back(random());
        column.offsets.push_back(static_cast<std::int32_t>(column.fids.size()));
      }
    }
    const Found found = laid_out(columns, seen_at_s);
    std::size_t at = 0;
    for (std::size_t row = 0; row < num_rows; ++row) {
      for (std::size_t slot = 0; slot < columns.size(); ++slot) {
        CHECK(found.splits[row * columns.size() + slot] == static_cast<std::int64_t>(at));
        for (std::int32_t i = columns[slot].offsets[row]; i < columns[slot].offsets[row + 1]; ++i, ++at) {
          CHECK(found.fids[at] == columns[slot].fids[static_cast<std::size_t>(i)]);
          CHECK(found.slots[at] == slot + 5 && found.seen_at_s[at] == seen_at_s[row]);
        }
      }
    }
    CHECK(found.splits.back() == static_cast<std::int64_t>(at) && at == found.fids.size());
  }
}

std::string refusal(const std::vector<Column>& columns, const std::vector<std::uint32_t>& seen_at_s = {}) {
  try {
    check_layout(slots_of(columns), seen_at_s);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

void test_offsets_that_do_not_fit_are_refused_by_name() {
  CHECK(refusal({{{1}, {0, 1}}}) == "");
  CHECK(refusal({}) == "slots must have at least one element, received none");
  CHECK(refusal({{{1}, {1, 1}}}) == "offsets of slot 0 must begin with 0, received others");
  CHECK(refusal({{{1}, {0, 1}}, {{1}, {0, 1, 1}}}) ==
        "offsets of slot 1 must be of 1 rows, as the first slot's, received 2");
  CHECK(refusal({{{1, 2}, {0, 2, 1, 2}}}) == "offsets of slot 0 must never decrease, received others");
  CHECK(refusal({{{1, 2}, {0, 1}}}) == "offsets of slot 0 must end with the number of values, 2, received 1");
  CHECK(refusal({{{1}, {0, 1}}}, {1, 2}) == "seen_at_s must have one element for each of 1 rows, received 2");
}

}  // namespace

int main() {
  test_by_hand();
  test_random_columns_match_the_definition();
  test_offsets_that_do_not_fit_are_refused_by_name();
}
