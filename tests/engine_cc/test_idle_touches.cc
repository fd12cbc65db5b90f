// What was touched and needs no delta any more leaves nothing behind: neither memory nor a lock that is taken twice.

#include <cstdint>
#include <vector>

#include "check.h"
#include "freshet/table.h"

using namespace freshet;

namespace {

constexpr std::uint64_t kMany =
    150'000;  // beyond what the log of touched rows keeps without looking through it

TableOptions options() {
  TableOptions options;
  options.dim = 1;
  return options;
}

void assign(Table& table, std::uint64_t from, std::uint64_t num) {
  std::vector<std::uint64_t> fids(num);
  for (std::uint64_t i = 0; i < num; ++i) fids[i] = from + i;
  table.assign(fids, std::vector<std::uint16_t>(num, 0), std::vector<float>(num, 1.0F));
}

std::size_t bytes_of_an_idle_table() {
  Table table(options());
  assign(table, 0, kMany);
  while (!table.export_delta(kMany).fids.empty()) table.acknowledge_delta();
  return table.memory_bytes();
}

void test_forgotten_touches_take_no_memory_and_hold_up_nobody() {
  Table table(options());
  assign(table, 0, kMany);
  table.forget_touched();
  CHECK(table.num_touched() == 0);
  CHECK(table.memory_bytes() < bytes_of_an_idle_table() + kMany * sizeof(std::uint64_t) / 2);
  table.acknowledge_delta();
  table.restore_delta();
  table.forget_touched();
  assign(table, 0, 10);
  CHECK(table.num_touched() == 10 && table.export_delta(SIZE_MAX).fids.size() == 10);
}

void test_rows_that_come_and_go_without_an_export_take_no_more_memory_with_every_round() {
  Table table(options());
  std::size_t after_first = 0;
  for (std::uint64_t round = 0; round < 6; ++round) {
    assign(table, 0, kMany);  // the same FIDs, so that what waits to be deleted stays the same
    std::vector<std::uint64_t> fids(kMany);
    for (std::uint64_t i = 0; i < kMany; ++i) fids[i] = i;
    CHECK(table.erase(fids) == kMany);
    table.restore_delta();
    if (round == 1) after_first = table.memory_bytes();
  }
  CHECK(table.memory_bytes() < after_first + kMany * sizeof(std::uint64_t));
  const Delta delta = table.export_delta(SIZE_MAX);
  CHECK(delta.fids.empty() && delta.deleted.size() == kMany);
}

}  // namespace

int main() {
  test_forgotten_touches_take_no_memory_and_hold_up_nobody();
  test_rows_that_come_and_go_without_an_export_take_no_more_memory_with_every_round();
}
