// A row's digest term is what row_digest.h defines, on every instruction set, and changes with anything in
// the row.

#include <algorithm>
#include <bit>
#include <cstring>
#include <random>
#include <vector>

#include "check.h"
#include "freshet/row_digest.h"

using namespace freshet;

namespace {

using Bytes = std::vector<std::byte>;

std::vector<InstructionSet> sets_here() {
  std::vector<InstructionSet> sets;
  for (const InstructionSet set :
       {InstructionSet::kBaseline, InstructionSet::kAvx2, InstructionSet::kAvx512}) {
    if (runs_here(set)) sets.push_back(set);
  }
  return sets;
}

Bytes pattern(std::size_t num_bytes) {
  Bytes bytes(num_bytes);
  for (std::size_t i = 0; i < num_bytes; ++i) bytes[i] = static_cast<std::byte>((7 * i + 3) & 0xFF);
  return bytes;
}

Bytes random_bytes(std::size_t num_bytes, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Bytes bytes(num_bytes);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() & 0xFF);
  return bytes;
}

std::uint64_t digest(std::uint64_t fid, const Bytes& bytes) {
  return row_digest(fid, bytes.data(), bytes.size());
}

/// Computed by a program of its own, in integers of any size, from the definition in row_digest.h.
struct Golden {
  std::uint64_t fid;
  std::size_t num_bytes;  // of `pattern`
  std::uint64_t digest;
};
constexpr Golden kGolden[] = {
    {0x0ULL, 0, 0xF28E41AD13EE319FULL},
    {0x1ULL, 0, 0xCCB875A1A580F85FULL},
    {0x1ULL, 1, 0x1122CE5894565AA7ULL},
    {0x1ULL, 20, 0xF6A80105B3ECE600ULL},
    {0xFFFFFFFFFFFFFFFFULL, 32, 0x7240051E8E2252C4ULL},
    {0x2AULL, 64, 0xAAA50850334A9044ULL},
    {0x2BULL, 64, 0xD23276240810B7B4ULL},
    {0x2AULL, 16384, 0x1944004186CFFD5CULL},
    {0x2AULL, 16388, 0x2DB2480D6D5F9526ULL},
    {0x2AULL, 40000, 0x96C5230DEE3ECFC7ULL},
};

void test_golden_values_on_every_set() {
  for (const Golden& golden : kGolden) {
    const Bytes bytes = pattern(golden.num_bytes);
    CHECK(digest(golden.fid, bytes) == golden.digest);
    CHECK(row_digest_function()(golden.fid, bytes.data(), bytes.size()) == golden.digest);
    for (const InstructionSet set : sets_here()) {
      CHECK(row_digest_function(set)(golden.fid, bytes.data(), bytes.size()) == golden.digest);
    }
  }
}

/// Each row is copied to the end of an allocation of its own, so that the address sanitizer sees a read too
/// far.
void test_every_size_and_alignment_agrees_on_every_set() {
  for (std::size_t num_bytes = 0; num_bytes <= 300; ++num_bytes) {
    const Bytes bytes = random_bytes(num_bytes, num_bytes);
    const std::uint64_t expected = row_digest_function(InstructionSet::kBaseline)(9, bytes.data(), num_bytes);
    for (std::size_t offset = 0; offset < 4; ++offset) {
      Bytes moved(offset + num_bytes);
      std::copy(bytes.begin(), bytes.end(), moved.begin() + static_cast<std::ptrdiff_t>(offset));
      for (const InstructionSet set : sets_here()) {
        CHECK(row_digest_function(set)(9, moved.data() + offset, num_bytes) == expected);
      }
    }
  }
}

void test_sums_of_rows_are_the_sums_of_their_terms_on_every_set() {
  for (const std::size_t num_bytes : {0U, 4U, 32U, 60U, 64U, 68U, 128U, 1024U, 16'384U, 16'448U}) {
    std::vector<std::uint64_t> fids;
    std::vector<Bytes> rows;
    std::vector<const std::byte*> pointers;
    std::uint64_t expected = 0;
    for (std::uint64_t i = 0; i <= 21; ++i) {
      for (const InstructionSet set : sets_here()) {
        CHECK(row_digest_sum_function(set)(fids.data(), pointers.data(), i, num_bytes) == expected);
      }
      fids.push_back(i % 3 == 0 ? ~i : i << 40);
      rows.push_back(random_bytes(num_bytes, i));
      if (i % 5 == 0) rows.back() = Bytes(num_bytes, std::byte{0xFF});  // every carry there is
      pointers.push_back(rows.back().data());
      expected += row_digest_function(InstructionSet::kBaseline)(fids.back(), pointers.back(), num_bytes);
    }
  }
}

void flip(Bytes& bytes, std::size_t bit) { bytes[bit / 8] ^= std::byte{1} << (bit % 8); }

void test_every_bit_of_the_vector_counts() {
  for (const std::size_t num_bytes : {1U, 4U, 7U, 20U, 32U, 64U, 100U, 260U, 16'392U}) {
    for (const Bytes& original : {Bytes(num_bytes), pattern(num_bytes)}) {
      const std::uint64_t before = digest(5, original);
      Bytes bytes = original;
      const std::size_t step = num_bytes > 1000 ? 37 : 1;
      for (std::size_t bit = 0; bit < 8 * num_bytes; bit += step) {
        flip(bytes, bit);
        CHECK(digest(5, bytes) != before);
        flip(bytes, bit);
      }
    }
  }
}

void test_every_bit_of_the_fid_and_the_size_count() {
  const Bytes zeros(64);
  for (int bit = 0; bit < 64; ++bit) CHECK(digest(std::uint64_t{1} << bit, zeros) != digest(0, zeros));
  for (std::size_t num_bytes = 0; num_bytes < 64; ++num_bytes) {
    CHECK(row_digest(0, zeros.data(), num_bytes) != digest(0, zeros));
  }
}

void test_half_the_bits_change_with_any_bit() {
  std::uint64_t num_changed = 0;
  std::uint64_t num_flips = 0;
  for (std::uint64_t fid = 0; fid < 40; ++fid) {
    Bytes bytes = random_bytes(64, fid);
    const std::uint64_t before = digest(fid, bytes);
    for (std::size_t bit = 0; bit < 512; ++bit, ++num_flips) {
      flip(bytes, bit);
      num_changed += static_cast<std::uint64_t>(std::popcount(digest(fid, bytes) ^ before));
      flip(bytes, bit);
    }
  }
  const double mean = static_cast<double>(num_changed) / static_cast<double>(num_flips);
  CHECK(mean > 31.8 && mean < 32.2);  // 32, with a standard error of 4 / √20,480 = 0.03
}

void test_swapped_parts_of_a_vector_are_seen() {
  const Bytes original = random_bytes(3 * 16'384, 1);
  const std::uint64_t before = digest(1, original);
  for (const std::ptrdiff_t size : {4, 8, 32, 64, 16'384}) {
    for (std::ptrdiff_t distance = size; distance + size <= 3 * 16'384; distance *= 2) {
      Bytes bytes = original;
      std::swap_ranges(bytes.begin(), bytes.begin() + size, bytes.begin() + distance);
      CHECK(digest(1, bytes) != before);
    }
  }
}

void test_swapped_vectors_change_the_sum() {
  for (std::uint64_t fid = 0; fid < 1000; ++fid) {
    const Bytes a = random_bytes(64, 2 * fid);
    const Bytes b = random_bytes(64, 2 * fid + 1);
    CHECK(digest(fid, a) + digest(fid + 1, b) != digest(fid, b) + digest(fid + 1, a));
  }
}

/// Moving the same amount from one row's element to another's leaves sums of elements as they were.
void test_changes_that_cancel_in_the_elements_change_the_sum() {
  for (std::uint32_t seed = 0; seed < 1000; ++seed) {
    float a[16] = {1.0F};
    float b[16] = {-1.0F};
    const auto sum_of = [&] {
      return row_digest(7, reinterpret_cast<const std::byte*>(a), 64) +
             row_digest(7 + seed, reinterpret_cast<const std::byte*>(b), 64);
    };
    const std::uint64_t before = sum_of();
    a[seed % 16] += 0.5F;
    b[seed % 16] -= 0.5F;
    CHECK(sum_of() != before);
  }
}

void check_distinct(std::vector<std::uint64_t>& digests) {
  std::sort(digests.begin(), digests.end());
  CHECK(std::adjacent_find(digests.begin(), digests.end()) == digests.end());
}

/// A million 64-bit values at random have two alike with odds of 1 in 37 million.
void test_a_million_random_rows_have_a_million_terms() {
  std::mt19937_64 random(11);
  std::vector<std::uint64_t> digests(1'000'000);
  for (std::uint64_t& term : digests) {
    std::uint64_t row[8];
    for (std::uint64_t& word : row) word = random();
    term = row_digest(3, reinterpret_cast<const std::byte*>(row), sizeof row);
  }
  check_distinct(digests);
}

void test_a_million_structured_rows_have_a_million_terms() {
  std::vector<std::uint64_t> digests;
  float row[16] = {};
  const auto* bytes = reinterpret_cast<const std::byte*>(row);
  for (std::uint64_t fid = 0; fid < 400'000; ++fid)
    digests.push_back(row_digest(fid << 20, bytes, sizeof row));
  for (int i = 0; i < 600'000; ++i) {  // counting upwards in three elements of one row
    row[3] = static_cast<float>(1 + i % 100);
    row[4] = static_cast<float>(i / 100 % 100);
    row[15] = static_cast<float>(i / 10'000);
    digests.push_back(row_digest(1, bytes, sizeof row));
  }
  check_distinct(digests);
}

}  // namespace

int main() {
  test_golden_values_on_every_set();
  test_every_size_and_alignment_agrees_on_every_set();
  test_sums_of_rows_are_the_sums_of_their_terms_on_every_set();
  test_every_bit_of_the_vector_counts();
  test_every_bit_of_the_fid_and_the_size_count();
  test_half_the_bits_change_with_any_bit();
  test_swapped_parts_of_a_vector_are_seen();
  test_swapped_vectors_change_the_sum();
  test_changes_that_cancel_in_the_elements_change_the_sum();
  test_a_million_random_rows_have_a_million_terms();
  test_a_million_structured_rows_have_a_million_terms();
}
