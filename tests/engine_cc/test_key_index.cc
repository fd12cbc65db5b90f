// Both kinds of bucket keep one contract: every key is found, read back exactly and gone when erased, through splits,
// displacement and keys that were chosen to harm.

#include <algorithm>
#include <stdexcept>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "check.h"
#include "freshet/key_index.h"

using namespace freshet;

namespace {

using Keys = std::vector<std::uint64_t>;

template <typename Bucket>
std::uint32_t find(const KeyIndex<Bucket>& index, std::uint64_t key) {
  const auto place = index.find(index.hash(key));
  return place ? place.row() : KeyIndex<Bucket>::kAbsent;
}

template <typename Bucket>
void erase(KeyIndex<Bucket>& index, std::uint64_t key) {
  const auto place = index.find(index.hash(key));
  CHECK(static_cast<bool>(place));
  index.erase(place);
}

template <typename Bucket>
std::unordered_map<std::uint64_t, std::uint32_t> contents(const KeyIndex<Bucket>& index) {
  std::unordered_map<std::uint64_t, std::uint32_t> all;
  for (std::uint32_t segment = 0; segment < index.num_segments(); ++segment) {
    index.for_each_in_segment(segment, [&](std::uint64_t hash, const auto& place) {
      CHECK(HashParts::shard(hash) == index.shard_of_segment(segment));
      CHECK(place.segment == segment);
      CHECK(all.emplace(index.key(hash), place.row()).second);
    });
  }
  return all;
}

/// Each key in its home bucket or marked as away from it, and every bucket's count of those away right or lost at 255.
template <typename Bucket>
void check_places(const KeyIndex<Bucket>& index) {
  std::unordered_map<const Bucket*, std::uint32_t> num_away;
  std::unordered_set<const Bucket*> buckets;
  for (std::uint32_t segment = 0; segment < index.num_segments(); ++segment) {
    index.for_each_in_segment(segment, [&](std::uint64_t hash, const auto& place) {
      const std::uint32_t home = HashParts::home(hash);
      const std::uint32_t other =
          HashParts::other(home, HashParts::remainder(hash), HashParts::num_buckets(HashParts::shard(hash)));
      const auto found = index.find(hash);
      CHECK(found.bucket == place.bucket && found.cell == place.cell);
      const bool displaced = place.bucket->is_displaced(place.cell);
      const Bucket* const at_home =
          displaced ? place.bucket + (std::int64_t{home} - std::int64_t{other}) : place.bucket;
      if (displaced) ++num_away[at_home];
      buckets.insert(at_home);
    });
  }
  for (const Bucket* const bucket : buckets) {
    const auto away = num_away.find(bucket);
    const std::uint32_t expected = away == num_away.end() ? 0 : away->second;
    CHECK(bucket->num_away() == expected || bucket->num_away() == 255);
  }
}

template <typename Bucket>
void test_it_agrees_with_a_map_over_a_million_operations() {
  KeyIndex<Bucket> index(7, nullptr);
  std::unordered_map<std::uint64_t, std::uint32_t> expected;
  std::uint64_t state = 11;
  std::uint32_t next_row = 0;
  for (std::uint32_t step = 0; step < 1'200'000; ++step) {
    const std::uint64_t word = mix64(state += kGolden64);
    // Three phases: mostly inserts, mostly erases, evenly.
    const unsigned insert_share = step < 500'000 ? 12 : step < 800'000 ? 4 : 8;
    const std::uint64_t key = word % 220'000 * 0x10001;
    const auto known = expected.find(key);
    const std::uint32_t row = find(index, key);
    CHECK(row == (known == expected.end() ? KeyIndex<Bucket>::kAbsent : known->second));
    if (word >> 60 < insert_share) {
      if (known != expected.end()) continue;
      const std::uint32_t fresh = next_row++ % KeyIndex<Bucket>::kMaxRows;
      const auto place = index.insert(index.hash(key), fresh);
      CHECK(place.row() == fresh);
      expected.emplace(key, fresh);
    } else if (known != expected.end()) {
      index.erase(index.find(index.hash(key)));
      expected.erase(known);
    }
  }
  CHECK(contents(index) == expected);
  check_places(index);
}

template <typename Bucket>
void test_the_greatest_row_and_the_end_keys_are_kept() {
  KeyIndex<Bucket> index(8, nullptr);
  constexpr std::uint32_t most = KeyIndex<Bucket>::kMaxRows;
  for (const std::uint64_t key : {std::uint64_t{0}, UINT64_MAX}) index.insert(index.hash(key), most);
  for (std::uint64_t key = 1; key < 100'000; ++key) index.insert(index.hash(key), most);
  CHECK(find(index, 0) == most && find(index, UINT64_MAX) == most);
  CHECK(find(index, 100'000) == KeyIndex<Bucket>::kAbsent);
  CHECK(contents(index).size() == 100'001);
}

template <typename Bucket>
void test_a_split_keeps_every_key() {
  KeyIndex<Bucket> index(9, nullptr);
  Keys keys;
  std::uint32_t num_segments = index.num_segments();
  std::uint32_t num_splits = 0;
  for (std::uint64_t key = 0; key < 150'000; ++key) {
    index.insert(index.hash(key << 20), static_cast<std::uint32_t>(key));
    keys.push_back(key << 20);
    if (index.num_segments() == num_segments) continue;
    ++num_splits;
    num_segments = index.num_segments();
    if (num_splits % 8 != 1) continue;
    for (std::size_t i = 0; i < keys.size(); ++i) CHECK(find(index, keys[i]) == i);
  }
  CHECK(num_splits > 20);
  check_places(index);
}

template <typename Bucket>
void test_a_batch_of_reads_finds_what_single_ones_do() {
  KeyIndex<Bucket> index(10, nullptr);
  for (std::uint64_t key = 0; key < 60'000; ++key)
    index.insert(index.hash(key * 3), static_cast<std::uint32_t>(key));
  for (std::uint64_t key = 0; key < 60'000; key += 5) erase(index, key * 3);
  for (const std::size_t size : {0, 1, 95, 1023, 1024, 1025, 70'000}) {
    Keys keys;
    for (std::size_t i = 0; i < size; ++i) keys.push_back(mix64(i) % 200'000);
    std::vector<std::uint32_t> rows(size, 12345);
    index.read_batch(
        keys, [](std::uint32_t) {}, [&](std::size_t at, std::uint32_t row) { rows[at] = row; },
        [&](std::size_t at) { rows[at] = KeyIndex<Bucket>::kAbsent; });
    for (std::size_t i = 0; i < size; ++i) {
      CHECK(rows[i] == find(index, keys[i]));
      std::uint32_t single = KeyIndex<Bucket>::kAbsent;
      CHECK(index.read(index.hash(keys[i]), [&](std::uint32_t row) { single = row; }) ==
            (rows[i] != KeyIndex<Bucket>::kAbsent));
      CHECK(single == rows[i]);
    }
  }
}

template <typename Bucket>
void test_ranges_part_the_keys_exactly() {
  KeyIndex<Bucket> index(12, nullptr);
  constexpr std::uint64_t kNum = 120'000;
  for (std::uint64_t key = 0; key < kNum; ++key)
    index.insert(index.hash(key), static_cast<std::uint32_t>(key));
  for (const unsigned num_bits : {4U, 5U, 6U, 7U, 8U, 9U, 11U, 13U}) {
    std::vector<bool> seen(kNum, false);
    std::uint64_t num_seen = 0;
    for (std::uint64_t range = 0; range < std::uint64_t{1} << num_bits; ++range) {
      const std::uint64_t from =
          range << (64 - num_bits) | (range * 977 & 0xFFFF);  // lower bits do not matter
      index.for_each_in_range(from, num_bits, [&](std::uint64_t hash, const auto& place) {
        CHECK(hash >> (64 - num_bits) == range);
        CHECK(!seen[place.row()] && index.key(hash) == place.row());
        seen[place.row()] = true;
        ++num_seen;
      });
    }
    CHECK(num_seen == kNum);
  }
}

/// Keys of one home bucket in shard 3, whose other buckets differ.
template <typename Bucket>
Keys keys_of_one_home(const KeyIndex<Bucket>& index, std::uint64_t num) {
  Keys keys;
  for (std::uint64_t i = 0; i < num; ++i) {
    const std::uint64_t spread = mix64(i) >> 8 << 16 >> 4;  // bits 59..16
    keys.push_back(index.key(std::uint64_t{3} << 60 | (spread & ~std::uint64_t{0xFFFF}) | 0x1230));
  }
  return keys;
}

template <typename Bucket>
void test_more_displaced_keys_than_a_bucket_can_count_are_found() {
  KeyIndex<Bucket> index(13, nullptr);
  const Keys keys = keys_of_one_home(index, 400);
  for (std::uint32_t i = 0; i < keys.size(); ++i) index.insert(index.hash(keys[i]), i);
  const auto at_home = [&] {
    for (const std::uint64_t key : keys) {
      const auto place = index.find(index.hash(key));
      if (place && !place.bucket->is_displaced(place.cell)) return place.bucket;
    }
    return static_cast<Bucket*>(nullptr);
  };
  Bucket* const home = at_home();
  CHECK(home != nullptr && home->num_away() == 255);
  check_places(index);
  for (std::uint32_t i = 0; i < keys.size(); i += 2) erase(index, keys[i]);
  CHECK(home->num_away() == 255);  // it lost count and says so
  for (std::uint32_t i = 0; i < keys.size(); ++i) {
    CHECK(find(index, keys[i]) == (i % 2 == 0 ? KeyIndex<Bucket>::kAbsent : i));
  }
  for (std::uint32_t i = 1; i < keys.size(); i += 2) erase(index, keys[i]);
  CHECK(contents(index).empty());
  for (std::uint32_t i = 0; i < keys.size(); ++i) index.insert(index.hash(keys[i]), i);
  for (std::uint32_t i = 0; i < keys.size(); ++i) CHECK(find(index, keys[i]) == i);
}

template <typename Bucket>
void test_a_count_of_displaced_keys_returns_to_zero() {
  KeyIndex<Bucket> index(14, nullptr);
  const Keys keys = keys_of_one_home(index, 200);
  for (std::uint32_t i = 0; i < keys.size(); ++i) index.insert(index.hash(keys[i]), i);
  Bucket* home = nullptr;
  for (const std::uint64_t key : keys) {
    const auto place = index.find(index.hash(key));
    if (!place.bucket->is_displaced(place.cell)) home = place.bucket;
  }
  CHECK(home != nullptr && home->num_away() == keys.size() - Bucket::kCells);
  for (const std::uint64_t key : keys) erase(index, key);
  CHECK(home->num_away() == 0);
}

/// Inserts until the index refuses; what went in must all be there, and the directory must stay small.
template <typename Bucket>
std::uint32_t fill_until_refused(KeyIndex<Bucket>& index, const Keys& keys) {
  std::uint32_t num_inserted = 0;
  const auto fill = [&] {
    for (const std::uint64_t key : keys) {
      index.insert(index.hash(key), num_inserted);
      ++num_inserted;
    }
  };
  CHECK_THROWS(fill(), std::length_error);
  CHECK(index.memory_bytes() < std::size_t{4} << 20);
  for (std::uint32_t i = 0; i < keys.size(); ++i) {
    CHECK(find(index, keys[i]) == (i < num_inserted ? i : KeyIndex<Bucket>::kAbsent));
  }
  CHECK(contents(index).size() == num_inserted);
  check_places(index);
  return num_inserted;
}

template <typename Bucket>
void test_keys_chosen_to_share_two_buckets_are_refused_and_harm_nothing() {
  KeyIndex<Bucket> index(15, nullptr);
  Keys
      keys;  // shard, home and the bits that tell the other bucket are equal; so are the bits that splits go by
  for (std::uint64_t i = 0; i < 64; ++i)
    keys.push_back(index.key(std::uint64_t{5} << 60 | i << 37 | 0x12340777));
  const std::uint32_t num = fill_until_refused(index, keys);
  CHECK(num >= Bucket::kCells && num <= 2 * Bucket::kCells);
  for (std::uint64_t key = 0; key < 100'000; ++key) {  // everyone else is served as before
    index.insert(index.hash(key), static_cast<std::uint32_t>(key));
  }
  for (std::uint64_t key = 0; key < 100'000; ++key) CHECK(find(index, key) == key);
}

template <typename Bucket>
void test_keys_chosen_to_share_a_segment_are_refused_and_harm_nothing() {
  KeyIndex<Bucket> index(16, nullptr);
  Keys keys;  // the top 20 bits of all hashes are zeros
  for (std::uint64_t i = 0; i < 20'000; ++i) keys.push_back(index.key(mix64(i) >> 20));
  const std::uint32_t num = fill_until_refused(index, keys);
  CHECK(num > 3 * HashParts::kMaxBuckets * Bucket::kCells / 4);
  const std::uint32_t num_segments = index.num_segments();
  for (std::uint32_t i = 0; i < num; ++i) erase(index, keys[i]);
  CHECK(contents(index).empty() && index.num_segments() == num_segments);
}

/// The share of all cells that hold a key.
template <typename Bucket>
double load_of(const KeyIndex<Bucket>& index, std::uint64_t num_keys) {
  std::uint64_t num_cells = 0;
  for (std::uint32_t segment = 0; segment < index.num_segments(); ++segment) {
    num_cells += HashParts::num_buckets(index.shard_of_segment(segment)) * Bucket::kCells;
  }
  return static_cast<double>(num_keys) / static_cast<double>(num_cells);
}

template <typename Bucket>
void test_load_and_splits_are_even_at_every_size() {
  KeyIndex<Bucket> index(17, nullptr);
  constexpr std::uint64_t kNum = 700'000;
  constexpr std::uint64_t kStep = 10'000;
  std::uint32_t most_splits = 0;
  double least_load = 1;
  double greatest_load = 0;
  for (std::uint64_t start = 0; start < kNum; start += kStep) {
    const std::uint32_t before = index.num_segments();
    for (std::uint64_t key = start; key < start + kStep; ++key) {
      const std::uint32_t num_segments = index.num_segments();
      index.insert(index.hash(key), static_cast<std::uint32_t>(key));
      CHECK(index.num_segments() <= num_segments + 1);
    }
    if (start < 150'000) continue;
    most_splits = std::max(most_splits, index.num_segments() - before);
    least_load = std::min(least_load, load_of(index, start + kStep));
    greatest_load = std::max(greatest_load, load_of(index, start + kStep));
  }
  std::printf("%zu cells: load %.3f to %.3f, at most %u splits in %llu inserts\n",
              std::size_t{Bucket::kCells}, least_load, greatest_load, most_splits,
              static_cast<unsigned long long>(kStep));
  CHECK(least_load > 0.62 && greatest_load < 0.76);
  CHECK(most_splits <= 14);
}

template <typename Bucket>
void test_long_turnover_settles() {
  KeyIndex<Bucket> index(18, nullptr);
  constexpr std::uint64_t kWindow = 60'000;
  std::uint32_t settled = 0;
  for (std::uint64_t key = 0; key < 10 * kWindow; ++key) {
    index.insert(index.hash(key), static_cast<std::uint32_t>(key));
    if (key >= kWindow) erase(index, key - kWindow);
    if (key == 5 * kWindow) settled = index.num_segments();
  }
  CHECK(index.num_segments() <= settled + settled / 4);
  const auto all = contents(index);
  CHECK(all.size() == kWindow);
  for (std::uint64_t key = 9 * kWindow; key < 10 * kWindow; ++key) CHECK(all.at(key) == key);
  check_places(index);
}

template <typename Bucket>
void test_what_a_training_table_notes_of_a_row_moves_with_it() {
  if constexpr (std::is_same_v<Bucket, MarkedBucket>) {
    KeyIndex<Bucket> index(19, nullptr);
    for (std::uint64_t key = 0; key < 80'000; ++key) {
      const auto place = index.insert(index.hash(key), static_cast<std::uint32_t>(key));
      CHECK(place.bucket->stamps[place.cell] == 0 && place.bucket->count(place.cell) == 0 &&
            place.bucket->marks(place.cell) == 0);
      place.bucket->stamps[place.cell] = static_cast<std::uint32_t>(key * 3);
      place.bucket->set_count(place.cell, key % 128);
      place.bucket->set_marks(place.cell, (key % 16) << 21);
    }
    for (std::uint64_t key = 0; key < 80'000; ++key) {
      const auto place = index.find(index.hash(key));
      CHECK(place.row() == key && place.bucket->stamps[place.cell] == key * 3);
      CHECK(place.bucket->count(place.cell) == key % 128);
      CHECK(place.bucket->marks(place.cell) == (key % 16) << 21);
    }
  }
}

template <typename Bucket>
void test_all() {
  test_it_agrees_with_a_map_over_a_million_operations<Bucket>();
  test_the_greatest_row_and_the_end_keys_are_kept<Bucket>();
  test_a_split_keeps_every_key<Bucket>();
  test_a_batch_of_reads_finds_what_single_ones_do<Bucket>();
  test_ranges_part_the_keys_exactly<Bucket>();
  test_more_displaced_keys_than_a_bucket_can_count_are_found<Bucket>();
  test_a_count_of_displaced_keys_returns_to_zero<Bucket>();
  test_keys_chosen_to_share_two_buckets_are_refused_and_harm_nothing<Bucket>();
  test_keys_chosen_to_share_a_segment_are_refused_and_harm_nothing<Bucket>();
  test_load_and_splits_are_even_at_every_size<Bucket>();
  test_long_turnover_settles<Bucket>();
  test_what_a_training_table_notes_of_a_row_moves_with_it<Bucket>();
}

}  // namespace

int main() {
  test_all<MarkedBucket>();
  test_all<CompactBucket>();
}
