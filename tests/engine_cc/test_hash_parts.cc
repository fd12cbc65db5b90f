// A key's place in its segment and what its cell keeps tell the whole key.

#include <set>

#include "check.h"
#include "freshet/hash_parts.h"
#include "freshet/mix.h"

using namespace freshet;

namespace {

void test_shard_remainder_and_home_tell_the_hash() {
  std::uint64_t state = 1;
  for (int i = 0; i < 500'000; ++i) {
    const std::uint64_t hash = mix64(state += kGolden64);
    const unsigned shard = HashParts::shard(hash);
    const std::uint64_t remainder = HashParts::remainder(hash);
    CHECK(remainder >> HashParts::kRemainderBits == 0);
    CHECK(HashParts::hash_of(shard, remainder, HashParts::home(hash)) == hash);
  }
}

void test_every_home_of_every_shard_is_told_apart() {
  for (std::uint64_t shard = 0; shard < 16; ++shard) {
    const std::uint32_t num = HashParts::num_buckets(static_cast<unsigned>(shard));
    std::set<std::uint32_t> homes;
    for (std::uint64_t y = 0; y < 65536; ++y) {
      const std::uint64_t hash = shard << 60 | 0x0123456789A0000ULL | y;
      const std::uint32_t home = HashParts::home(hash);
      CHECK(home < num);
      homes.insert(home);
      CHECK(HashParts::hash_of(static_cast<unsigned>(shard), HashParts::remainder(hash), home) == hash);
    }
    CHECK(homes.size() == num);
  }
}

void test_the_other_of_the_other_is_the_first() {
  std::uint64_t state = 2;
  std::uint32_t num_same = 0;
  constexpr std::uint32_t kTries = 200'000;
  for (std::uint32_t i = 0; i < kTries; ++i) {
    const std::uint64_t hash = mix64(state += kGolden64);
    const std::uint32_t num = HashParts::num_buckets(HashParts::shard(hash));
    const std::uint64_t remainder = HashParts::remainder(hash);
    const std::uint32_t home = HashParts::home(hash);
    const std::uint32_t other = HashParts::other(home, remainder, num);
    CHECK(other < num);
    CHECK(HashParts::other(other, remainder, num) == home);
    num_same += other == home ? 1 : 0;
  }
  CHECK(num_same < kTries / 300);  // one in 544 to 1,024
}

void test_the_bits_that_splits_go_by_are_in_the_remainder() {
  for (unsigned at = 16; at < 60; ++at) {
    const std::uint64_t hash = std::uint64_t{1} << at;
    CHECK(HashParts::remainder(hash) == std::uint64_t{1} << HashParts::remainder_bit(at));
  }
}

void test_the_sizes_of_segments_are_spread_over_one_doubling() {
  for (unsigned shard = 0; shard + 1 < 16; ++shard) {
    CHECK(HashParts::num_buckets(shard) - HashParts::num_buckets(shard + 1) == 32);
  }
  CHECK(HashParts::num_buckets(0) == HashParts::kMaxBuckets);
  CHECK(2 * HashParts::num_buckets(15) > HashParts::kMaxBuckets);
}

}  // namespace

int main() {
  test_shard_remainder_and_home_tell_the_hash();
  test_every_home_of_every_shard_is_told_apart();
  test_the_other_of_the_other_is_the_first();
  test_the_bits_that_splits_go_by_are_in_the_remainder();
  test_the_sizes_of_segments_are_spread_over_one_doubling();
}
