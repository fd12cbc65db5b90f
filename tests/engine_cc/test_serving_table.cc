// A replica gives, for every FID, the last vector that a delta brought, as its precision keeps it, and zeros for others.

#include <cstring>
#include <map>
#include <memory>

#include "check.h"
#include "tables.h"

using namespace freshet;
using namespace freshet::testing;

namespace {

constexpr Precision kPrecisions[] = {Precision::kFloat32, Precision::kFloat16, Precision::kInt8};

Floats kept(Precision precision, const Floats& vector) {
  const auto dim = static_cast<std::uint32_t>(vector.size());
  std::vector<std::byte> encoded(encoded_bytes(precision, dim));
  Floats decoded(dim);
  encode(precision, vector.data(), dim, encoded.data());
  decode(precision, encoded.data(), dim, decoded.data());
  return decoded;
}

Floats vector_of(std::uint64_t word, std::uint32_t dim) {
  Floats vector;
  for (std::uint32_t i = 0; i < dim; ++i) {
    vector.push_back(static_cast<float>(static_cast<std::int64_t>(mix64(word + i) >> 40) - (1 << 23)) *
                     0x1p-20F);
  }
  return vector;
}

bool same_bits(const Floats& one, const Floats& other) {
  return one.size() == other.size() && std::memcmp(one.data(), other.data(), one.size() * sizeof(float)) == 0;
}

void check_equal(const ServingTable& table, const std::map<std::uint64_t, Floats>& expected,
                 std::uint64_t num_fids) {
  CHECK(table.size() == expected.size());
  Fids fids;
  Floats wanted;
  for (std::uint64_t fid = 0; fid < num_fids; ++fid) {
    fids.push_back(fid);
    const auto found = expected.find(fid);
    const Floats vector =
        found == expected.end() ? Floats(table.dim(), 0.0F) : kept(table.precision(), found->second);
    wanted.insert(wanted.end(), vector.begin(), vector.end());
  }
  CHECK(same_bits(lookup(table, fids), wanted));
  const auto present = std::make_unique<bool[]>(fids.size());
  table.contains(fids, std::span<bool>(present.get(), fids.size()));
  for (std::uint64_t fid = 0; fid < num_fids; ++fid) CHECK(present[fid] == (expected.count(fid) != 0));
  CHECK(table.digest() == table.computed_digest());
}

void test_random_deltas_against_a_map() {
  for (const Precision precision : kPrecisions) {
    for (const std::uint32_t dim : {1, 3, 16, 32, 50}) {
      constexpr std::uint64_t kNumFids = 4000;
      ServingTable table(dim, precision, dim);
      std::map<std::uint64_t, Floats> expected;
      std::uint64_t state = dim;
      for (int round = 0; round < 25; ++round) {
        Fids fids;
        Fids deleted;
        Floats vectors;
        for (int i = 0; i < 300; ++i) deleted.push_back(mix64(state += kGolden64) % kNumFids);
        for (const std::uint64_t fid : deleted) expected.erase(fid);
        for (int i = 0; i < 500; ++i) {
          const std::uint64_t word = mix64(state += kGolden64);
          fids.push_back(word % kNumFids);
          const Floats vector = vector_of(word, dim);
          vectors.insert(vectors.end(), vector.begin(), vector.end());
          expected[fids.back()] = vector;
        }
        table.apply_delta(fids, vectors, deleted);
      }
      check_equal(table, expected, kNumFids);
    }
  }
}

void test_of_duplicates_the_last_wins_and_deletes_come_first() {
  for (const Precision precision : kPrecisions) {
    ServingTable table(2, precision, 1);
    table.apply_delta(Fids{1, 2, 1, 3, 1}, Floats{1, 1, 2, 2, 3, 3, 4, 4, 5, 5}, {});
    check_equal(table, {{1, {5, 5}}, {2, {2, 2}}, {3, {4, 4}}}, 5);
    table.apply_delta(Fids{2}, Floats{7, 8}, Fids{2, 3, 3, 9});
    check_equal(table, {{1, {5, 5}}, {2, {7, 8}}}, 5);
    table.apply_delta({}, {}, Fids{1, 2});
    check_equal(table, {}, 5);
    CHECK(table.digest() == 0);
  }
}

void test_a_delta_applied_twice_changes_nothing_the_second_time() {
  ServingTable table(2, Precision::kInt8, 1);
  for (int i = 0; i < 2; ++i) {
    table.apply_delta(Fids{1, 2}, Floats{1, 2, 3, 4}, Fids{3});
    CHECK(table.size() == 2);
  }
  check_equal(table, {{1, {1, 2}}, {2, {3, 4}}}, 5);
}

void test_the_end_keys_are_keys_like_any_other() {
  ServingTable table(1, Precision::kFloat32, 1);
  const Fids ends = {0, UINT64_MAX};
  CHECK((lookup(table, ends) == Floats{0, 0}));
  table.apply_delta(ends, Floats{1, 2}, {});
  CHECK((lookup(table, ends) == Floats{1, 2}));
  table.apply_delta({}, {}, Fids{0});
  CHECK((lookup(table, ends) == Floats{0, 2}));
}

void test_lookups_of_any_size_and_with_duplicates() {
  ServingTable table(16, Precision::kFloat16, 1);
  const Fids fids = mixed_fids(0, 50'000);
  Floats vectors;
  for (const std::uint64_t fid : fids) {
    const Floats vector = vector_of(fid, 16);
    vectors.insert(vectors.end(), vector.begin(), vector.end());
  }
  table.apply_delta(fids, vectors, {});
  for (const std::size_t size : {0, 1, 63, 1024, 1025, 60'000}) {
    Fids asked;
    for (std::size_t i = 0; i < size; ++i) asked.push_back(mix64(mix64(i) % 70'000));
    const Floats out = lookup(table, asked);
    for (std::size_t i = 0; i < size; i += 1 + size / 2000) {
      const bool is_there = mix64(i) % 70'000 < 50'000;
      const Floats wanted = is_there ? kept(Precision::kFloat16, vector_of(asked[i], 16)) : Floats(16, 0.0F);
      CHECK(std::memcmp(out.data() + i * 16, wanted.data(), 64) == 0);
    }
  }
}

void test_its_rows_can_be_read_and_make_an_equal_one() {
  for (const Precision precision : kPrecisions) {
    ServingTable table(5, precision, 1);
    const Fids fids = mixed_fids(0, 20'000);
    Floats vectors;
    for (const std::uint64_t fid : fids) {
      const Floats vector = vector_of(fid, 5);
      vectors.insert(vectors.end(), vector.begin(), vector.end());
    }
    table.apply_delta(fids, vectors, {});
    ServingTable copy(5, precision, 2);
    Fids seen;
    ServingTable::Part part;
    do {
      part = table.export_rows(part.next_cursor, 3000);
      CHECK(part.vectors == lookup(table, part.fids));
      copy.apply_delta(part.fids, part.vectors, {});
      seen.insert(seen.end(), part.fids.begin(), part.fids.end());
    } while (!part.fids.empty());
    CHECK(sorted(seen) == sorted(fids));
    CHECK(copy.digest() == table.digest());  // to encode a decoded vector gives the same bytes
  }
}

void test_memory_is_that_of_the_precision_and_returns() {
  std::size_t bytes[3];
  const Fids fids = mixed_fids(0, 100'000);
  const Floats vectors(fids.size() * 64, 0.5F);
  for (int i = 0; i < 3; ++i) {
    ServingTable table(64, kPrecisions[i], 1);
    table.apply_delta(fids, vectors, {});
    bytes[i] = table.memory_bytes();
    const std::size_t payload = fids.size() * (8 + encoded_bytes(kPrecisions[i], 64));
    std::printf("100,000 rows of dim 64: %.3f of the payload\n",
                static_cast<double>(bytes[i]) / static_cast<double>(payload));
    table.apply_delta({}, {}, fids);
    CHECK(table.size() == 0 &&
          bytes[i] - table.memory_bytes() > fids.size() * encoded_bytes(kPrecisions[i], 64) * 9 / 10);
  }
  CHECK(bytes[0] > bytes[1] && bytes[1] > bytes[2]);
}

}  // namespace

int main() {
  test_random_deltas_against_a_map();
  test_of_duplicates_the_last_wins_and_deletes_come_first();
  test_a_delta_applied_twice_changes_nothing_the_second_time();
  test_the_end_keys_are_keys_like_any_other();
  test_lookups_of_any_size_and_with_duplicates();
  test_its_rows_can_be_read_and_make_an_equal_one();
  test_memory_is_that_of_the_precision_and_returns();
}
