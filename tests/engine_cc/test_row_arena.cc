// Rows keep their address for life, are reused, and give their memory back to the system when many have gone.

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <stdexcept>
#include <vector>

#include "check.h"
#include "freshet/mix.h"
#include "freshet/row_arena.h"

using namespace freshet;

namespace {

using Rows = std::vector<std::uint32_t>;

Rows allocate(RowArena& arena, std::size_t num, std::uint32_t owner = 0) {
  Rows rows;
  for (std::size_t i = 0; i < num; ++i) rows.push_back(arena.allocate(owner));
  return rows;
}

void write(const RowArena& arena, std::uint32_t row, std::uint32_t value) {
  for (std::size_t at = 0; at < arena.row_bytes(); at += 4) std::memcpy(arena.at(row) + at, &value, 4);
}

bool holds(const RowArena& arena, std::uint32_t row, std::uint32_t value) {
  for (std::size_t at = 0; at < arena.row_bytes(); at += 4) {
    if (std::memcmp(arena.at(row) + at, &value, 4) != 0) return false;
  }
  return true;
}

/// Bytes of the pages under these rows that the system holds in memory.
std::size_t resident_bytes(const RowArena& arena, const Rows& rows) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  std::set<std::uintptr_t> pages;
  for (const std::uint32_t row : rows) pages.insert(reinterpret_cast<std::uintptr_t>(arena.at(row)) / page);
  std::size_t num = 0;
  for (const std::uintptr_t number : pages) {
    unsigned char resident = 0;
    CHECK(mincore(reinterpret_cast<void*>(number * page), page, &resident) == 0);
    num += resident & 1;
  }
  return num * page;
}

void test_rows_do_not_overlap_and_do_not_move() {
  for (const std::size_t row_bytes : {4, 20, 60, 64, 68, 128, 132, 1000, 16'388, 65'540}) {
    RowArena arena(row_bytes, 3, 1U << 24, nullptr);
    CHECK(arena.row_bytes() == row_bytes && arena.stride() >= row_bytes);
    CHECK(arena.stride() - row_bytes <= row_bytes / 16);
    const std::uint32_t num = row_bytes > 10'000 ? 50 : 3000;
    std::vector<std::byte*> places;
    Rows rows;
    for (std::uint32_t i = 0; i < num; ++i) {
      rows.push_back(arena.allocate(i % 3));
      places.push_back(arena.at(rows.back()));
      write(arena, rows.back(), i);
    }
    for (std::uint32_t i = 0; i < num; ++i) {
      CHECK(arena.at(rows[i]) == places[i]);
      CHECK(holds(arena, rows[i], i));
    }
    CHECK(arena.memory_bytes() >= num * row_bytes);
  }
}

void test_freed_rows_are_reused_before_new_ones() {
  RowArena arena(128, 1, 1U << 24, nullptr);
  const Rows rows = allocate(arena, 5000);
  std::set<std::uint32_t> freed;
  for (std::size_t i = 0; i < rows.size(); i += 3) {
    arena.release(rows[i]);
    freed.insert(rows[i]);
  }
  const std::size_t bytes = arena.memory_bytes();
  for (const std::uint32_t row : allocate(arena, freed.size())) CHECK(freed.erase(row) == 1);
  CHECK(freed.empty() && arena.memory_bytes() == bytes);
}

void test_owners_have_chunks_of_their_own() {
  RowArena arena(64, 2, 1U << 24, nullptr);
  const Rows first = allocate(arena, 5000, 0);
  const Rows second = allocate(arena, 5000, 1);
  for (const std::uint32_t row : first) arena.release(row);
  std::set<std::uint32_t> known(first.begin(), first.end());
  for (const std::uint32_t row : allocate(arena, 5000, 1)) CHECK(known.count(row) == 0);
  for (const std::uint32_t row : allocate(arena, 5000, 0)) CHECK(known.count(row) == 1);
}

enum class Order { kForwards, kBackwards, kMixed };

void check_memory_returns(Order order) {
  RowArena arena(128, 2, 1U << 24, nullptr);
  Rows rows = allocate(arena, 40'000);
  for (const std::uint32_t row : rows) write(arena, row, row);
  const Rows all = rows;
  CHECK(resident_bytes(arena, all) >= 40'000 * 128);
  if (order == Order::kBackwards) std::reverse(rows.begin(), rows.end());
  if (order == Order::kMixed) {
    std::sort(rows.begin(), rows.end(), [](auto one, auto other) { return mix64(one) < mix64(other); });
  }
  const std::size_t full = arena.memory_bytes();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    arena.release(rows[i]);
    CHECK(arena.memory_bytes() <= full);
  }
  // Each owner may keep a chunk of 64 KiB at hand.
  CHECK(resident_bytes(arena, all) <= 3 * 65'536);
  CHECK(arena.memory_bytes() <= 5 * 65'536);
  for (const std::uint32_t row : allocate(arena, 40'000)) write(arena, row, row);
  CHECK(arena.memory_bytes() == full);
  for (const std::uint32_t row : all) CHECK(holds(arena, row, row));
}

void test_memory_goes_back_to_the_system_in_whatever_order_rows_go() {
  check_memory_returns(Order::kForwards);
  check_memory_returns(Order::kBackwards);
  check_memory_returns(Order::kMixed);
}

void test_what_is_counted_is_what_is_resident() {
  RowArena arena(256, 1, 1U << 24, nullptr);
  std::uint64_t state = 4;
  Rows live;
  Rows ever;
  for (int round = 0; round < 60; ++round) {
    const std::uint64_t word = mix64(state += kGolden64);
    if (word % 2 == 0 || live.empty()) {
      for (const std::uint32_t row : allocate(arena, (word >> 8) % 3000)) {
        write(arena, row, row);
        live.push_back(row);
        ever.push_back(row);
      }
    } else {
      for (std::size_t num = std::min(live.size(), static_cast<std::size_t>((word >> 8) % 3000)); num > 0;
           --num) {
        const bool takes_last = (word >> 40) % 2 == 0;
        if (!takes_last) std::swap(live[mix64(state + num) % live.size()], live.back());
        arena.release(live.back());
        live.pop_back();
      }
    }
    CHECK(resident_bytes(arena, ever) <= arena.memory_bytes());
    for (const std::uint32_t row : live) CHECK(holds(arena, row, row));
  }
}

void test_the_limit_is_kept_and_can_be_lived_with() {
  RowArena arena(64, 1, 4096, nullptr);
  const Rows rows = allocate(arena, 4096);
  CHECK(*std::max_element(rows.begin(), rows.end()) < 4096);
  CHECK_THROWS(arena.allocate(0), std::length_error);
  arena.release(rows[17]);
  CHECK(arena.allocate(0) == rows[17]);
  CHECK_THROWS(arena.allocate(0), std::length_error);
}

}  // namespace

int main() {
  test_rows_do_not_overlap_and_do_not_move();
  test_freed_rows_are_reused_before_new_ones();
  test_owners_have_chunks_of_their_own();
  test_memory_goes_back_to_the_system_in_whatever_order_rows_go();
  test_what_is_counted_is_what_is_resident();
  test_the_limit_is_kept_and_can_be_lived_with();
}
