// A queue that makes room first and gives its memory back as it is emptied.

#include <deque>

#include "check.h"
#include "freshet/mix.h"
#include "freshet/touched_log.h"

using namespace freshet;

namespace {

void test_it_is_a_queue() {
  TouchedLog log;
  std::deque<std::uint64_t> expected;
  std::uint64_t state = 3;
  for (int round = 0; round < 3000; ++round) {
    const std::uint64_t word = mix64(state += kGolden64);
    const std::size_t num = word % 500;
    log.reserve(num);
    for (std::size_t i = 0; i < num; ++i) {
      log.push(word + i);
      expected.push_back(word + i);
    }
    const std::size_t gone = (word >> 32) % 520;
    if (gone <= expected.size()) {
      log.pop(gone);
      expected.erase(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(gone));
    }
    CHECK(log.size() == expected.size());
    for (std::size_t i = 0; i < expected.size(); i += 1 + expected.size() / 7)
      CHECK(log.at(i) == expected[i]);
  }
}

void test_room_that_was_reserved_is_not_reserved_again() {
  TouchedLog log;
  log.reserve(10);
  const std::size_t bytes = log.memory_bytes();
  for (int i = 0; i < 1000; ++i) log.reserve(10);
  CHECK(log.memory_bytes() == bytes);
  for (std::uint64_t i = 0; i < 10; ++i) log.push(i);
  CHECK(log.memory_bytes() == bytes && log.at(9) == 9);
}

void test_memory_follows_what_is_in_it() {
  TouchedLog log;
  log.reserve(1'000'000);
  for (std::uint64_t i = 0; i < 1'000'000; ++i) log.push(i);
  CHECK(log.memory_bytes() < 8'100'000);
  log.pop(999'999);
  CHECK(log.at(0) == 999'999);
  CHECK(log.memory_bytes() < 100'000);
  log.clear();
  CHECK(log.size() == 0 && log.memory_bytes() == 0);
  log.reserve(1);
  log.push(7);
  CHECK(log.at(0) == 7);
}

}  // namespace

int main() {
  test_it_is_a_queue();
  test_room_that_was_reserved_is_not_reserved_again();
  test_memory_follows_what_is_in_it();
}
