// The table grows without losing, sharing or moving a row, whatever the keys look like.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <stdexcept>

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
    bool present = false;
    table.contains(Fids{mix64(j)}, std::span<bool>(&present, 1));
    CHECK(present);
  }
}

void test_probes_settle_under_lasting_inserts_and_erases() {
  KeyIndex index(5);
  const std::uint64_t window = 60'000;
  const auto turn_over = [&](std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t key = first; key < last; ++key) {
      index.insert(key, index.hash(key), static_cast<std::uint32_t>(key));
      if (key < window) continue;
      const std::uint64_t old = key - window;
      CHECK(index.erase(old, index.hash(old)) == old);
    }
  };
  turn_over(0, 3 * window);
  const std::size_t settled = index.num_passed();
  turn_over(3 * window, 12 * window);
  CHECK(index.size() == window);
  CHECK(index.num_passed() < window);
  CHECK(index.num_passed() < settled + settled / 4);
  for (std::uint64_t key = 11 * window; key < 12 * window; ++key)
    CHECK(index.erase(key, index.hash(key)) == key);
  CHECK(index.size() == 0 && index.num_passed() == 0);
}

void test_keys_chosen_to_share_a_segment_are_refused_and_harm_nothing() {
  // With the salt known the mixer can be undone, so that all hashes have the same 44 top bits.
  const auto unshift = [](std::uint64_t x, int shift) {
    std::uint64_t out = x;
    for (int done = shift; done < 64; done += shift) out = x ^ (out >> shift);
    return out;
  };
  const auto inverse = [](std::uint64_t odd) {
    std::uint64_t out = odd;
    for (int i = 0; i < 6; ++i) out *= 2 - odd * out;
    return out;
  };
  const auto unmix = [&](std::uint64_t x) {
    x = unshift(x, 31) * inverse(0x94D049BB133111EBULL);
    x = unshift(x, 27) * inverse(0xBF58476D1CE4E5B9ULL);
    return unshift(x, 30);
  };
  CHECK(unmix(mix64(12345)) == 12345);
  KeyIndex index(5);
  const std::uint64_t zero = index.hash(0);  // mix64(salt), whatever the index made of the salt
  const std::uint64_t salt = unmix(zero);
  std::uint32_t inserted = 0;
  const auto fill = [&] {
    for (std::uint64_t i = 0; i < 30'000; ++i) {
      const std::uint64_t key = unmix(i) ^ salt;
      index.insert(key, index.hash(key), inserted);
      ++inserted;
    }
  };
  CHECK_THROWS(fill(), std::length_error);
  CHECK(inserted > 10'000 && index.size() == inserted);
  CHECK(index.memory_bytes() < (std::size_t{64} << 20));
  for (std::uint32_t i = 0; i < inserted; ++i) {
    const std::uint64_t key = unmix(i) ^ salt;
    CHECK(index.find(key, index.hash(key)) == i);
  }
  CHECK(index.find(unmix(29'999) ^ salt, index.hash(unmix(29'999) ^ salt)) == KeyIndex::kAbsent);
}

}  // namespace

int main() {
  test_a_million_and_more_random_keys();
  test_structured_keys();
  test_zero_and_the_greatest_key_are_keys_like_any_other();
  test_long_turnover_reuses_memory_and_keeps_the_living();
  test_probes_settle_under_lasting_inserts_and_erases();
  test_keys_chosen_to_share_a_segment_are_refused_and_harm_nothing();
}
