// A scan's products are as near to a sum in double precision as it says, on every instruction set to the same bit, and a row written
// again is the row written last. The best rows by bytes and floats are the best there are.

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <functional>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "check.h"
#include "freshet/row_scan.h"

using namespace freshet;

namespace {

using Floats = std::vector<float>;

constexpr InstructionSet kSets[] = {InstructionSet::kBaseline, InstructionSet::kAvx2,
                                    InstructionSet::kAvx512};

struct Rows {
  std::size_t dim;
  Floats vectors;
  std::vector<std::int8_t> packed;
  Floats scales;

  Rows(std::size_t num_blocks, std::size_t width)
      : dim(width),
        vectors(num_blocks * kScanBlockRows * width),
        packed(num_blocks * scan_block_bytes(width)),
        scales(num_blocks * kScanBlockRows) {}

  void write(const std::vector<std::int32_t>& rows, const Floats& values) {
    scan_write(rows, values, dim, packed, scales);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (std::size_t d = 0; d < dim; ++d)
        vectors[static_cast<std::size_t>(rows[i]) * dim + d] = values[i * dim + d];
    }
  }

  double exact(std::size_t row, const Floats& user) const {
    double sum = 0.0;
    for (std::size_t d = 0; d < dim; ++d) {
      sum += static_cast<double>(vectors[row * dim + d]) * static_cast<double>(user[d]);
    }
    return sum;
  }
};

Floats drawn(std::mt19937_64& random, std::size_t num, float size) {
  std::normal_distribution<float> normal(0.0F, size);
  Floats values(num);
  for (float& value : values) value = normal(random);
  return values;
}

void check_products(const Rows& rows, const Floats& user) {
  Floats first;
  for (const InstructionSet set : kSets) {
    if (!runs_here(set)) continue;
    Floats out(rows.scales.size(), -1.0F);
    const float error = scan_products(rows.packed, rows.scales, user, out, set);
    for (std::size_t row = 0; row < out.size(); ++row) {
      const double off = std::fabs(static_cast<double>(out[row]) - rows.exact(row, user));
      CHECK(off <= static_cast<double>(error) * static_cast<double>(rows.scales[row]) +
                       static_cast<double>(kScanLeast));
    }
    if (first.empty()) first = out;
    CHECK(out == first);
  }
}

void check_every_dim_and_number_of_blocks() {
  std::mt19937_64 random(11);
  for (const std::size_t dim : {1, 2, 3, 16, 31, 64, 257, 1024}) {
    for (const std::size_t num_blocks : {1, 3, 4, 9}) {
      Rows rows(num_blocks, dim);
      std::vector<std::int32_t> all(num_blocks * kScanBlockRows);
      for (std::size_t row = 0; row < all.size(); ++row) all[row] = static_cast<std::int32_t>(row);
      rows.write(all, drawn(random, all.size() * dim, 1.0F));
      check_products(rows, drawn(random, dim, 3.0F));
      check_products(rows, Floats(dim, 0.0F));
    }
  }
}

void check_sizes_of_numbers() {
  std::mt19937_64 random(12);
  for (const float size : {1e-42F, 1e-30F, 1.0F, 1e15F}) {
    for (const float other : {1e-42F, 1e-15F, 1.0F, 1e15F}) {
      Rows rows(2, 7);
      rows.write({0, 5, 31}, drawn(random, 3 * 7, size));
      check_products(rows, drawn(random, 7, other));
    }
  }
}

void check_all_at_their_largest() {
  // where a sum would leave 32 bits first
  for (const std::size_t dim : {32, 1024, 8192}) {
    Rows rows(1, dim);
    rows.write({3}, Floats(dim, -1.0F));
    check_products(rows, Floats(dim, 1.0F));
  }
}

void check_a_row_written_again() {
  Rows rows(2, 5);
  rows.write({4, 17}, Floats(10, 1.0F));
  rows.write({17, 4, 4}, {0, 0, 0, 0, 0, 9, 9, 9, 9, 9, 1, 2, 3, 4, 5});
  Floats out(32);
  const Floats user = {1.0F, 0.0F, 0.0F, 0.0F, 1.0F};
  scan_products(rows.packed, rows.scales, user, out);
  CHECK(std::fabs(out[4] - 6.0F) < 0.05F);
  CHECK(out[17] == 0.0F && out[0] == 0.0F && out[31] == 0.0F);
}

/// By a sum of floats in any order, which may tell apart what is the same; so the scores are compared, and that no row is better.
void check_best(const Rows& rows, const Floats& user, std::size_t num, std::size_t num_rows,
                std::size_t num_allowed) {
  const std::unique_ptr<bool[]> present(new bool[num_rows]);
  const std::unique_ptr<bool[]> allowed(new bool[num_allowed]);
  for (std::size_t row = 0; row < num_rows; ++row) present[row] = row % 5 != 0;
  for (std::size_t row = 0; row < num_allowed; ++row) allowed[row] = row % 3 != 1;
  const std::span<const bool> mask(allowed.get(), num_allowed);
  const ScannedRows scanned{rows.packed, rows.scales, rows.vectors, {present.get(), num_rows}};
  for (const std::span<const bool>* given : {static_cast<const std::span<const bool>*>(nullptr), &mask}) {
    std::vector<double> scores;
    for (std::size_t row = 0; row < num_rows; ++row) {
      const bool counts = present[row] && (given == nullptr || (row < num_allowed && allowed[row]));
      if (counts) scores.push_back(rows.exact(row, user));
    }
    std::sort(scores.begin(), scores.end(), std::greater<>());
    for (const InstructionSet set : kSets) {
      if (!runs_here(set)) continue;
      const auto found = scan_best(scanned, user, given, num, set);
      CHECK(found.size() == std::min(num, scores.size()));
      for (std::size_t i = 0; i < found.size(); ++i) {
        const auto row = static_cast<std::size_t>(found[i].row);
        CHECK(present[row] && (given == nullptr || (row < num_allowed && allowed[row])));
        CHECK(std::fabs(static_cast<double>(found[i].score) - scores[i]) < 1e-4);
        CHECK(std::fabs(static_cast<double>(found[i].score) - rows.exact(row, user)) < 1e-4);
        if (i == 0) continue;
        CHECK(found[i - 1].score > found[i].score ||
              (found[i - 1].score == found[i].score && found[i - 1].row < found[i].row));
      }
    }
  }
}

void check_the_best_of_rows() {
  std::mt19937_64 random(13);
  for (const std::size_t dim : {1, 3, 8, 33}) {
    Rows rows(600, dim);
    std::vector<std::int32_t> all(rows.scales.size());
    for (std::size_t row = 0; row < all.size(); ++row) all[row] = static_cast<std::int32_t>(row);
    Floats vectors = drawn(random, all.size() * dim, 1.0F);
    // every seventh row is the same, so that there are equals
    for (std::size_t row = 0; row < all.size(); row += 7)
      std::copy_n(vectors.begin(), dim, vectors.begin() + static_cast<std::ptrdiff_t>(row * dim));
    rows.write(all, vectors);
    const Floats user = drawn(random, dim, 1.0F);
    for (const std::size_t num : {0, 1, 10, 250, 3'000, 20'000}) {
      for (const std::size_t num_rows : {0, 1, 15, 9'587, 9'600}) {
        rows.vectors.resize(num_rows * dim);
        check_best(rows, user, num, num_rows, 9'590);
        check_best(rows, user, num, num_rows, 0);
        rows.vectors = vectors;
      }
    }
    check_best(rows, Floats(dim, 0.0F), 250, 9'600, 9'600);
  }
}

}  // namespace

int main() {
  check_every_dim_and_number_of_blocks();
  check_sizes_of_numbers();
  check_all_at_their_largest();
  check_a_row_written_again();
  check_the_best_of_rows();
  return 0;
}
