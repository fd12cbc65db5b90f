// A FidMap holds what std::unordered_map would, at any keys, and survives any allocation that fails.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "check.h"
#include "failing_allocations.h"
#include "freshet/fid_map.h"

using namespace freshet;
using namespace freshet::testing;

namespace {

struct Tally {
  std::uint32_t count = 0;
  std::uint32_t since_s = 0;
  std::uint16_t slot = 0;

  friend bool operator==(const Tally&, const Tally&) = default;
};
using Map = FidMap<Tally>;
using Reference = std::unordered_map<std::uint64_t, std::uint32_t>;

/// A sequence of words that is a function of its seed.
class Words {
 public:
  explicit Words(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() { return mix64(state_ += kGolden64); }
  std::uint64_t below(std::uint64_t end) { return next() % end; }

 private:
  std::uint64_t state_;
};

void check_same(const Map& map, const Reference& reference) {
  CHECK(map.size() == reference.size());
  std::size_t num_seen = 0;
  std::uint64_t before = 0;
  map.for_each([&](std::uint64_t fid, const Tally& tally) {
    const auto found = reference.find(fid);
    CHECK(found != reference.end() && found->second == tally.count);
    CHECK(num_seen == 0 || map.hash(fid) > before);
    before = map.hash(fid);
    ++num_seen;
  });
  CHECK(num_seen == reference.size());
  for (const auto& [fid, count] : reference) CHECK(map.find(fid) != nullptr && map.find(fid)->count == count);
}

/// One random operation on both, which must agree on it.
void step(Map& map, Reference& reference, std::uint64_t fid, std::uint64_t choice, bool growing) {
  const auto value = static_cast<std::uint32_t>(choice >> 32);
  const std::uint64_t kind = choice % 8;
  if (kind < (growing ? 5U : 2U)) {
    const auto [tally, is_new] = map.insert(fid, Tally{value, 0, 0});
    CHECK(reference.emplace(fid, value).second == is_new);
    CHECK(tally->count == reference.at(fid));
  } else if (kind < 7) {
    CHECK(map.erase(fid) == (reference.erase(fid) == 1));
  } else {
    const Tally* const tally = map.find(fid);
    CHECK((tally != nullptr) == reference.contains(fid));
    CHECK(tally == nullptr || tally->count == reference.at(fid));
  }
}

template <typename FidOf>
void run_against_reference(std::uint64_t seed, std::size_t num_steps, std::size_t num_phases, FidOf fid_of) {
  Map map(seed);
  Reference reference;
  Words words(seed);
  for (std::size_t phase = 0; phase < num_phases; ++phase) {
    for (std::size_t i = 0; i < num_steps / num_phases; ++i) {
      step(map, reference, fid_of(map, words.next()), words.next(), phase % 2 == 0);
    }
    check_same(map, reference);
  }
  for (const auto& [fid, count] : Reference(reference)) CHECK(map.erase(fid) && reference.erase(fid) == 1);
  CHECK(map.empty() && map.memory_bytes() == sizeof(map));
}

void test_random_operations_match_the_reference() {
  for (const std::uint64_t num_fids : {5ULL, 300ULL, 20'000ULL, 1ULL << 17}) {
    run_against_reference(num_fids, 1'000'000, 6,
                          [&](const Map&, std::uint64_t word) { return word % num_fids; });
  }
  run_against_reference(9, 1'000'000, 6,
                        [](const Map&, std::uint64_t word) { return (word % 50'000) << 40; });
}

void test_fids_of_one_home_match_the_reference() {
  for (const std::uint64_t home : {0ULL, 0x7FFFULL, 0xFFFFULL}) {  // first, middle and last cell of the array
    run_against_reference(home, 60'000, 6, [&](const Map& map, std::uint64_t word) {
      return map.fid_of(home << 48 | word % 500 << 3);
    });
  }
}

void test_every_fid_has_a_place() {
  Map map(77);
  const std::vector<std::uint64_t> edges = {0,
                                            1,
                                            UINT64_MAX,
                                            UINT64_MAX - 1,
                                            1ULL << 63,
                                            map.fid_of(0),
                                            map.fid_of(UINT64_MAX),
                                            map.fid_of(UINT64_MAX - 1)};
  for (std::uint32_t i = 0; i < edges.size(); ++i) {
    CHECK(map.find(edges[i]) == nullptr && !map.erase(edges[i]));
    CHECK(map.insert(edges[i], Tally{i, 0, 0}).is_new);
    CHECK(!map.insert(edges[i], Tally{99, 0, 0}).is_new);
  }
  CHECK(map.size() == edges.size());
  for (std::uint32_t i = 0; i < edges.size(); ++i) CHECK(map.find(edges[i])->count == i);
  for (const std::uint64_t fid : edges) CHECK(map.erase(fid) && !map.erase(fid));
  CHECK(map.empty());
}

void test_memory_is_given_back() {
  const std::size_t before = num_bytes_held;
  Map map(5);
  CHECK(num_bytes_held == before);
  std::size_t peak = 0;
  for (std::uint64_t fid = 0; fid < 100'000; ++fid) {
    map.insert(fid, Tally{});
    peak = std::max(peak, map.memory_bytes());
  }
  CHECK(map.memory_bytes() - sizeof(map) == num_bytes_held - before);
  CHECK(map.memory_bytes() < 100'000 * 28);  // 20 bytes a cell, and what is empty
  for (std::uint64_t fid = 100; fid < 100'000; ++fid) map.erase(fid);
  CHECK(num_bytes_held - before < peak / 50);
  for (std::uint64_t fid = 0; fid < 100; ++fid) CHECK(map.erase(fid));
  map.insert(1, Tally{});
  map.clear();
  CHECK(num_bytes_held == before && map.empty() && map.find(1) == nullptr);
  CHECK(map.insert(1, Tally{}).is_new);
}

void test_where_a_fid_lies_does_not_depend_on_the_history() {
  Map straight(3);
  Map winding(3);
  for (std::uint64_t fid = 0; fid < 5000; ++fid) straight.insert(fid, Tally{});
  for (std::uint64_t fid = 10'000; fid-- > 0;) winding.insert(fid, Tally{});
  for (std::uint64_t fid = 5000; fid < 10'000; ++fid) winding.erase(fid);
  std::vector<std::uint64_t> orders[2];
  straight.for_each([&](std::uint64_t fid, const Tally&) { orders[0].push_back(fid); });
  winding.for_each([&](std::uint64_t fid, const Tally&) { orders[1].push_back(fid); });
  CHECK(orders[0] == orders[1]);
}

void test_no_insert_or_erase_rebuilds_more_than_a_few_runs() {
  constexpr std::size_t kRunBytes = 2100 * 20;  // a run before it splits, at its fullest
  Map map(6);
  const auto within = [](auto change) {
    const std::size_t before = num_bytes_allocated;
    change();
    CHECK(num_bytes_allocated - before < 4 * kRunBytes);
  };
  for (std::uint64_t fid = 0; fid < 300'000; ++fid) within([&] { map.insert(fid, Tally{}); });
  for (std::uint64_t fid = 0; fid < 300'000; ++fid) within([&] { map.erase(fid); });
  CHECK(map.empty());
}

void test_the_fids_of_one_stripe_spread_as_any() {
  constexpr std::uint64_t kSalt = 12;
  Map of_stripe(kSalt);
  Map of_any(kSalt);
  for (std::uint64_t rest = 0; rest < 50'000; ++rest) {
    of_stripe.insert(unmix64(0x3ULL << 60 | mix64(rest) >> 4) ^ kSalt,
                     Tally{});  // of stripe 3 by the table's hash
    of_any.insert(rest, Tally{});
  }
  CHECK(of_stripe.memory_bytes() < of_any.memory_bytes() * 21 / 20);
  std::size_t num_of_sixteenth = 0;
  of_stripe.for_each(
      [&](std::uint64_t fid, const Tally&) { num_of_sixteenth += of_stripe.hash(fid) >> 60 == 3 ? 1 : 0; });
  CHECK(num_of_sixteenth > 50'000 / 16 * 9 / 10 && num_of_sixteenth < 50'000 / 16 * 11 / 10);
}

void test_a_lap_sees_each_fid_once_whatever_happens_between_its_calls() {
  Map map(11);
  Words words(11);
  for (std::uint64_t fid = 0; fid < 2000; ++fid) map.insert(fid, Tally{});
  map.insert(map.fid_of(UINT64_MAX), Tally{});
  std::unordered_map<std::uint64_t, int> num_seen;
  std::uint64_t next = 0;
  do {
    next = map.visit(next, 7, [&](std::uint64_t fid, Tally&) {
      ++num_seen[fid];
      return fid % 2 == 0;  // the odd ones go
    });
    for (int i = 0; i < 50; ++i) map.insert(1'000'000 + words.below(100'000), Tally{});
    for (int i = 0; i < 50; ++i) map.erase(1'000'000 + words.below(100'000));
  } while (next != 0);
  for (std::uint64_t fid = 0; fid < 2000; ++fid) {
    CHECK(num_seen[fid] == 1);
    CHECK((map.find(fid) != nullptr) == (fid % 2 == 0));
  }
  CHECK(num_seen[map.fid_of(UINT64_MAX)] == 1);
}

void test_a_moved_map_takes_its_contents_along() {
  Map first(1);
  for (std::uint64_t fid = 0; fid < 100; ++fid) first.insert(fid, Tally{7, 0, 0});
  Map second(std::move(first));
  CHECK(second.size() == 100 && second.find(42)->count == 7);
  Map third(2);
  third.insert(5, Tally{});
  third = std::move(second);
  CHECK(third.size() == 100 && third.find(99)->count == 7);
}

/// Grows, overflows the tail and shrinks; `reference` holds what must be there when it throws.
void live(Map& map, Reference& reference) {
  for (std::uint64_t i = 0; i < 3000; ++i) {
    const std::uint64_t fid = i % 4 == 0 ? map.fid_of(UINT64_MAX - i) : i;
    if (map.insert(fid, Tally{static_cast<std::uint32_t>(i), 0, 0}).is_new) {
      const Reprieve of_the_reference;
      reference.emplace(fid, static_cast<std::uint32_t>(i));
    }
  }
  for (std::uint64_t i = 0; i < 2990; ++i) {
    const std::uint64_t fid = i % 4 == 0 ? map.fid_of(UINT64_MAX - i) : i;
    CHECK(map.erase(fid) == (reference.erase(fid) == 1));
  }
}

void test_whichever_allocation_fails_nothing_is_lost() {
  std::size_t num_failures = 0;
  for (long at = 0;; ++at) {
    Map map(21);
    Reference reference;
    bool failed = false;
    allocations_until_failure = at;
    try {
      live(map, reference);
    } catch (const std::bad_alloc&) {
      failed = true;
      ++num_failures;
    }
    allocations_until_failure = kNever;
    check_same(map, reference);
    live(map, reference);
    check_same(map, reference);
    if (!failed) break;
  }
  CHECK(num_failures > 8);
}

void test_an_erase_that_finds_no_memory_to_shrink_with_still_erases() {
  Map map(4);
  for (std::uint64_t fid = 0; fid < 40'000; ++fid) map.insert(fid, Tally{});
  const std::size_t large = map.memory_bytes();
  allocations_until_failure = 0;
  for (std::uint64_t fid = 0; fid < 40'000; ++fid) CHECK(fid % 20 == 0 || map.erase(fid));
  allocations_until_failure = kNever;
  CHECK(map.size() == 2000 && map.memory_bytes() == large);
  CHECK(map.erase(0));
  CHECK(map.memory_bytes() < large / 10);
  for (std::uint64_t fid = 20; fid < 40'000; fid += 20) CHECK(map.find(fid) != nullptr);
}

void test_a_set_matches_the_reference() {
  FidSet set(8);
  std::unordered_set<std::uint64_t> reference;
  Words words(8);
  for (int i = 0; i < 300'000; ++i) {
    const std::uint64_t fid = words.below(3000);
    if (words.below(2) == 0) {
      CHECK(set.insert(fid) == reference.insert(fid).second);
    } else {
      CHECK(set.erase(fid) == (reference.erase(fid) == 1));
    }
  }
  CHECK(set.size() == reference.size());
  set.for_each([&](std::uint64_t fid) { CHECK(reference.contains(fid)); });
  for (std::uint64_t fid = 0; fid < 3000; ++fid) CHECK(set.contains(fid) == reference.contains(fid));
}

void test_a_set_gives_up_each_fid_once() {
  FidSet set(9);
  std::unordered_set<std::uint64_t> taken;
  for (std::uint64_t fid = 0; fid < 10'000; ++fid) set.insert(fid);
  while (set.size() > 5000) CHECK(taken.insert(set.take()).second);
  for (std::uint64_t fid = 10'000; fid < 11'000; ++fid) set.insert(fid);
  while (!set.empty()) CHECK(taken.insert(set.take()).second);
  CHECK(taken.size() == 11'000);
  CHECK(set.memory_bytes() < 1000);
}

}  // namespace

int main() {
  test_random_operations_match_the_reference();
  test_fids_of_one_home_match_the_reference();
  test_every_fid_has_a_place();
  test_memory_is_given_back();
  test_where_a_fid_lies_does_not_depend_on_the_history();
  test_no_insert_or_erase_rebuilds_more_than_a_few_runs();
  test_the_fids_of_one_stripe_spread_as_any();
  test_a_lap_sees_each_fid_once_whatever_happens_between_its_calls();
  test_a_moved_map_takes_its_contents_along();
  test_whichever_allocation_fails_nothing_is_lost();
  test_an_erase_that_finds_no_memory_to_shrink_with_still_erases();
  test_a_set_matches_the_reference();
  test_a_set_gives_up_each_fid_once();
}
