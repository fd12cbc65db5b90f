// The table grows without losing, sharing or moving a row, whatever the keys look like.

#include <algorithm>
#include <cstdint>
#include <functional>

#include "check.h"
#include "tables.h"

using namespace freshet;
using namespace freshet::testing;

namespace {

constexpr std::size_t kBatch = 8192;

/// Inserts `num` keys with a vector of their own number, then asks for them all, and for as many that were
/// not put in.
void check_keys(std::size_t num, const std::function<std::uint64_t(std::uint64_t)>& key_of) {
  Table table(options_of(1));
  for (std::size_t start = 0; start < num; start += kBatch) {
    Fids fids;
    Floats vectors;
    for (std::size_t i = start; i < std::min(num, start + kBatch); ++i) {
      fids.push_back(key_of(i));
      vectors.push_back(static_cast<float>(i + 1));
    }
    table.assign(fids, slots_for(fids), vectors);
  }
  CHECK(table.size() == num);
  for (std::size_t start = 0; start < num; start += kBatch) {
    Fids present;
    Fids absent;
    for (std::size_t i = start; i < std::min(num, start + kBatch); ++i) {
      present.push_back(key_of(i));
      absent.push_back(key_of(i + num));
    }
    const Floats found = lookup(table, present);
    for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == static_cast<float>(start + i + 1));
    for (const float value : lookup(table, absent)) CHECK(value == 0.0F);
  }
  CHECK(table.size() == num);
}

void test_a_million_and_more_random_keys() {
  check_keys(1'200'000, [](std::uint64_t i) { return mix64(i + 1); });
}

void test_structured_keys() {
  check_keys(100'000, [](std::uint64_t i) { return i; });
  check_keys(100'000, [](std::uint64_t i) { return UINT64_MAX - i; });
  check_keys(100'000, [](std::uint64_t i) { return i << 40; });
  check_keys(100'000, [](std::uint64_t i) { return (i << 20) | 0xABCDE; });
  check_keys(100'000, [](std::uint64_t i) { return i * 0x1'0000'0001ULL; });
}

/// Warm memory is empty memory: of a new table, of a part of one, and beyond what there is room for.
void test_a_warm_table_is_as_any_other() {
  Table table(options_of(1));
  table.warm(0);
  table.warm(300'000);
  CHECK(table.size() == 0);
  Fids fids;
  Floats vectors;
  for (std::uint64_t i = 0; i < 200'000; ++i) {
    fids.push_back(mix64(i));
    vectors.push_back(static_cast<float>(i));
    if (i == 100'000) {
      table.assign(fids, slots_for(fids), vectors);
      table.warm(150'000);
      table.warm(400'000);
    }
  }
  table.assign(fids, slots_for(fids), vectors);
  CHECK(lookup(table, fids) == vectors);
  CHECK(table.computed_digest() == table.digest());
}

void test_zero_and_the_greatest_key_are_keys_like_any_other() {
  Table table(options_of(1));
  const Fids ends = {0, UINT64_MAX};
  CHECK((lookup(table, ends) == Floats{0, 0}));
  table.assign(ends, slots_for(ends), Floats{1, 2});
  CHECK((lookup(table, ends) == Floats{1, 2}));
  CHECK(table.erase(Fids{0}) == 1);
  CHECK((lookup(table, ends) == Floats{0, 2}));
}

void test_long_turnover_reuses_memory_and_keeps_the_living() {
  Table table(options_of(4));
  const std::size_t window = 40'000;
  std::size_t bytes = 0;
  for (std::uint64_t i = 0; i < 12 * window; i += 1000) {
    Fids fids;
    Fids old;
    for (std::uint64_t j = i; j < i + 1000; ++j) {
      fids.push_back(mix64(j));
      if (j >= window) old.push_back(mix64(j - window));
    }
    create(table, fids);
    CHECK(table.erase(old) == old.size());
    table.forget_touched();
    if (i == 4 * window) bytes = table.memory_bytes();
  }
  CHECK(table.size() == window);
  CHECK(table.memory_bytes() <= bytes + bytes / 4);
  for (std::uint64_t j = 11 * window; j < 12 * window; ++j) {
    CHECK(is_present(table, mix64(j)));
  }
}

void test_memory_falls_when_most_rows_go() {
  Table table(options_of(32));
  const std::uint64_t num = 60'000;
  for (std::uint64_t i = 0; i < num; i += 10'000) create(table, mixed_fids(i, 10'000));
  table.forget_touched();
  const std::size_t full = table.memory_bytes();
  for (std::uint64_t i = 0; i < num - 1000; i += 1000) table.erase(mixed_fids(i, 1000));
  table.forget_touched();
  CHECK(table.size() == 1000);
  const std::size_t row_bytes = 2 * 32 * sizeof(float);
  CHECK(full - table.memory_bytes() > (num - 1000) * row_bytes * 7 / 10);
}

}  // namespace

int main() {
  test_a_million_and_more_random_keys();
  test_structured_keys();
  test_a_warm_table_is_as_any_other();
  test_zero_and_the_greatest_key_are_keys_like_any_other();
  test_long_turnover_reuses_memory_and_keeps_the_living();
  test_memory_falls_when_most_rows_go();
}
