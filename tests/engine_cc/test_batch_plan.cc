// A batch's positions by key, each key once, in input order, the keys by shard.

#include <map>
#include <vector>

#include "check.h"
#include "freshet/batch_plan.h"
#include "freshet/mix.h"

using namespace freshet;

namespace {

using Keys = std::vector<std::uint64_t>;
constexpr std::uint64_t kSalt = 0x123456789;

/// Against a grouping by std::map.
void check_plan(const BatchPlan& plan, const Keys& keys) {
  std::map<std::uint64_t, std::vector<std::uint32_t>> expected;  // by hash
  for (std::uint32_t i = 0; i < keys.size(); ++i) expected[mix64(keys[i] ^ kSalt)].push_back(i);
  CHECK(plan.groups().size() == expected.size());
  CHECK(plan.begin(0) == 0 && plan.begin(BatchPlan::kNumShards) == expected.size());
  for (unsigned shard = 0; shard < BatchPlan::kNumShards; ++shard) {
    CHECK(plan.groups_of(shard).data() == plan.groups().data() + plan.begin(shard));
    CHECK(plan.groups_of(shard).size() == plan.begin(shard + 1) - plan.begin(shard));
    for (const BatchPlan::Group& group : plan.groups_of(shard)) {
      CHECK(HashParts::shard(group.hash) == shard);
      const auto found = expected.find(group.hash);
      CHECK(found != expected.end());
      const std::vector<std::uint32_t>& positions = found->second;
      CHECK(group.first == positions.front() && group.last == positions.back());
      CHECK(group.size == positions.size());
      std::uint32_t at = group.first;
      for (const std::uint32_t position : positions) {
        CHECK(at == position);
        at = plan.next(at);
      }
      CHECK(at == BatchPlan::kEnd);
      expected.erase(found);
    }
  }
  CHECK(expected.empty());
}

void test_batches_of_many_sizes_and_shares_of_duplicates() {
  BatchPlan plan;  // one for all, as the table keeps it
  std::uint64_t state = 5;
  for (const std::size_t size : {1, 2, 0, 100, 1023, 1024, 5000, 20'000, 65'536, 131'072, 3, 0, 700}) {
    for (const std::uint64_t num_keys :
         {std::uint64_t{1}, std::uint64_t{10}, std::uint64_t{size / 3 + 1}, UINT64_MAX}) {
      Keys keys;
      for (std::size_t i = 0; i < size; ++i) keys.push_back(mix64(state += kGolden64) % num_keys);
      plan.build(keys, kSalt);
      check_plan(plan, keys);
    }
  }
}

void test_the_ends_of_the_keys_and_sequences() {
  BatchPlan plan;
  Keys keys = {0, UINT64_MAX, 0, kSalt, kSalt ^ UINT64_MAX, UINT64_MAX, 0};
  plan.build(keys, kSalt);
  check_plan(plan, keys);
  keys.clear();
  for (std::uint64_t i = 0; i < 10'000; ++i) keys.push_back(i << 48 | i % 3);
  plan.build(keys, kSalt);
  check_plan(plan, keys);
}

void test_hashes_that_share_most_of_their_bits() {
  // All in one part, and all with the same home in the part's own table.
  Keys keys;
  for (std::uint64_t i = 0; i < 3000; ++i) keys.push_back(unmix64((i % 1500) << 50 >> 4 | 77) ^ kSalt);
  BatchPlan plan;
  plan.build(keys, kSalt);
  check_plan(plan, keys);
}

}  // namespace

int main() {
  test_batches_of_many_sizes_and_shares_of_duplicates();
  test_the_ends_of_the_keys_and_sequences();
  test_hashes_that_share_most_of_their_bits();
}
