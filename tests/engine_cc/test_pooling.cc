// Bags are pooled as TensorFlow pools them, gradients flow back to the rows, and bad bags are refused by
// name.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.h"
#include "freshet/mix.h"
#include "freshet/pooling.h"
#include "freshet/row_digest.h"

using namespace freshet;

namespace {

using Floats = std::vector<float>;

constexpr std::array kPoolings = {Pooling::kSum, Pooling::kMean, Pooling::kSqrtn, Pooling::kFirstN};

struct Case {
  std::uint32_t dim = 1;
  Floats rows;
  std::vector<std::int32_t> members;
  std::vector<std::int64_t> splits = {0};
  Floats weights = {};
  std::uint32_t first_n = 2;

  std::size_t num_rows() const { return rows.size() / dim; }
  std::size_t num_bags() const { return splits.size() - 1; }
  std::size_t out_size(Pooling pooling) const {
    return num_bags() * dim * (pooling == Pooling::kFirstN ? first_n : 1);
  }
};

/// Outputs start as NaN, so that one left unwritten is seen.
Floats unwritten(std::size_t size) { return Floats(size, std::numeric_limits<float>::quiet_NaN()); }

Floats pooled(Pooling pooling, const Case& c) {
  Floats out = unwritten(c.out_size(pooling));
  pool(pooling, c.first_n, c.rows.data(), c.num_rows(), c.dim, c.members, c.splits, c.weights, out.data());
  return out;
}

Floats gradient(Pooling pooling, const Case& c, const Floats& out_gradient) {
  Floats rows = unwritten(c.rows.size());
  pool_gradient(pooling, c.first_n, out_gradient.data(), c.dim, c.members, c.splits, c.weights, c.num_rows(),
                rows.data());
  return rows;
}

bool near(const Floats& a, const Floats& b, float tolerance) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [=](float x, float y) { return std::fabs(x - y) <= tolerance; });
}

/// Two columns; bags: rows 1 and 2, nothing, row 0 three times and a position without a row.
Case by_hand() {
  return {.dim = 2,
          .rows = {1, 10, 2, 20, 4, 40},
          .members = {1, 2, 0, -1, 0, 0},
          .splits = {0, 2, 2, 6},
          .weights = {}};
}

void test_bags_by_hand() {
  const Case c = by_hand();
  const float root2 = std::sqrt(2.0F);
  CHECK((pooled(Pooling::kSum, c) == Floats{6, 60, 0, 0, 3, 30}));
  CHECK((pooled(Pooling::kMean, c) == Floats{3, 30, 0, 0, 0.75F, 7.5F}));
  CHECK((pooled(Pooling::kSqrtn, c) == Floats{6 / root2, 60 / root2, 0, 0, 1.5F, 15}));
  CHECK((pooled(Pooling::kFirstN, c) == Floats{2, 20, 4, 40, 0, 0, 0, 0, 1, 10, 0, 0}));
}

void test_weighted_bags_by_hand() {
  Case c = by_hand();
  c.weights = {3, 4, 0.5F, 1, 0.5F, 2};
  const float root55 = std::sqrt(5.5F);  // 1/4 + 1 + 1/4 + 4: the position without a row counts
  CHECK((pooled(Pooling::kSum, c) == Floats{22, 220, 0, 0, 3, 30}));
  CHECK((pooled(Pooling::kMean, c) == Floats{22.0F / 7, 220.0F / 7, 0, 0, 0.75F, 7.5F}));
  CHECK((pooled(Pooling::kSqrtn, c) == Floats{22.0F / 5, 220.0F / 5, 0, 0, 3 / root55, 30 / root55}));
  CHECK((pooled(Pooling::kFirstN, c) == Floats{6, 60, 16, 160, 0, 0, 0, 0, 0.5F, 5, 0, 0}));
}

void test_gradients_by_hand() {
  Case c = by_hand();
  const Floats from_bags = {1, 2, 5, 5, 8, 16};
  CHECK((gradient(Pooling::kSum, c, from_bags) == Floats{24, 48, 1, 2, 1, 2}));
  CHECK((gradient(Pooling::kMean, c, from_bags) == Floats{6, 12, 0.5F, 1, 0.5F, 1}));
  CHECK((gradient(Pooling::kSqrtn, c, {0, 0, 5, 5, 8, 16}) == Floats{12, 24, 0, 0, 0, 0}));
  const Floats from_places = {1, 2, 3, 4, 9, 9, 9, 9, 5, 6, 9, 9};
  CHECK((gradient(Pooling::kFirstN, c, from_places) == Floats{5, 6, 1, 2, 3, 4}));
  c.weights = {3, 1, 0.5F, 1, 0.5F, 2};
  CHECK((gradient(Pooling::kSum, c, from_bags) == Floats{24, 48, 3, 6, 1, 2}));
  CHECK((gradient(Pooling::kMean, c, from_bags) == Floats{6, 12, 0.75F, 1.5F, 0.25F, 0.5F}));
  CHECK((gradient(Pooling::kFirstN, c, from_places) == Floats{2.5F, 3, 3, 6, 3, 4}));
}

void test_a_divisor_of_zero_gives_zeros_and_no_gradient() {
  const Case c = {.dim = 1, .rows = {3, 5}, .members = {0, 1}, .splits = {0, 2}, .weights = {1, -1}};
  CHECK((pooled(Pooling::kMean, c) == Floats{0}));
  CHECK((gradient(Pooling::kMean, c, {1}) == Floats{0, 0}));
  const Case weightless = {.dim = 1, .rows = {3, 5}, .members = {0, 1}, .splits = {0, 2}, .weights = {0, 0}};
  CHECK((pooled(Pooling::kSqrtn, weightless) == Floats{0}));
  CHECK((gradient(Pooling::kSqrtn, weightless, {1}) == Floats{0, 0}));
}

void test_no_bags_and_no_rows() {
  const Case nothing = {.dim = 4, .rows = {}, .members = {}};
  const Case absent = {.dim = 3, .rows = {}, .members = {-1, -1, -1}, .splits = {0, 3, 3}};
  const Case unused = {.dim = 2, .rows = {1, 2}, .members = {}, .splits = {0, 0}};
  for (const Pooling pooling : kPoolings) {
    CHECK(pooled(pooling, nothing).empty());
    CHECK(pooled(pooling, absent) == Floats(absent.out_size(pooling), 0.0F));
    CHECK((gradient(pooling, unused, Floats(unused.out_size(pooling), 1.0F)) == Floats{0, 0}));
  }
}

Case random_case(std::uint32_t dim, bool weighted, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Case c{.dim = dim, .rows = Floats(std::size_t{7} * dim), .members = {}, .first_n = 1 + seed % 5};
  for (float& value : c.rows) value = normal(random);
  for (int bag = 0; bag < 9; ++bag) {
    for (std::uint32_t left = random() % 8; left > 0; --left) {
      c.members.push_back(static_cast<std::int32_t>(random() % 7) - 1);  // row 6 stays nobody's
      if (weighted) c.weights.push_back(0.25F + std::fabs(normal(random)));
    }
    c.splits.push_back(static_cast<std::int64_t>(c.members.size()));
  }
  return c;
}

double weight_at(const Case& c, std::int64_t p) {
  return c.weights.empty() ? 1.0 : static_cast<double>(c.weights[static_cast<std::size_t>(p)]);
}

double value_at(const Case& c, std::int64_t p, std::uint32_t column) {
  const std::int32_t member = c.members[static_cast<std::size_t>(p)];
  if (member < 0) return 0.0;
  return weight_at(c, p) * static_cast<double>(c.rows[static_cast<std::size_t>(member) * c.dim + column]);
}

/// The definition, one output element at a time, in doubles.
double pooled_element(Pooling pooling, const Case& c, std::size_t bag, std::uint32_t place,
                      std::uint32_t column) {
  const std::int64_t begin = c.splits[bag];
  const std::int64_t end = c.splits[bag + 1];
  if (pooling == Pooling::kFirstN) return begin + place < end ? value_at(c, begin + place, column) : 0.0;
  double sum = 0;
  double total = 0;
  double squares = 0;
  for (std::int64_t p = begin; p < end; ++p) {
    sum += value_at(c, p, column);
    total += weight_at(c, p);
    squares += weight_at(c, p) * weight_at(c, p);
  }
  if (pooling == Pooling::kSum || begin == end) return sum;
  return pooling == Pooling::kMean ? sum / total : sum / std::sqrt(squares);
}

Floats pooled_by_definition(Pooling pooling, const Case& c) {
  Floats out;
  const std::uint32_t num_places = pooling == Pooling::kFirstN ? c.first_n : 1;
  for (std::size_t bag = 0; bag < c.num_bags(); ++bag) {
    for (std::uint32_t place = 0; place < num_places; ++place) {
      for (std::uint32_t column = 0; column < c.dim; ++column) {
        out.push_back(static_cast<float>(pooled_element(pooling, c, bag, place, column)));
      }
    }
  }
  return out;
}

void test_every_dim_matches_the_definition() {
  for (std::uint32_t dim = 1; dim <= 40; ++dim) {
    for (const bool weighted : {false, true}) {
      const Case c = random_case(dim, weighted, 2 * dim + weighted);
      for (const Pooling pooling : kPoolings) {
        CHECK(near(pooled(pooling, c), pooled_by_definition(pooling, c), 1e-5F));
      }
    }
  }
}

/// Of `Σ out_gradient · output`, whose gradient with respect to the rows `pool_gradient` is.
double loss(Pooling pooling, const Case& c, const Floats& out_gradient) {
  double sum = 0;
  const Floats out = pooled(pooling, c);
  for (std::size_t i = 0; i < out.size(); ++i)
    sum += static_cast<double>(out[i]) * static_cast<double>(out_gradient[i]);
  return sum;
}

void test_gradients_match_finite_differences() {
  constexpr float kStep = 0.5F;  // pooling is linear in the rows: a long step is as true, and rounds less
  for (const std::uint32_t dim : {1U, 3U, 16U, 21U}) {
    for (const bool weighted : {false, true}) {
      const Case c = random_case(dim, weighted, 100 + dim);
      for (const Pooling pooling : kPoolings) {
        Floats out_gradient = random_case(1, false, dim).rows;
        out_gradient.resize(c.out_size(pooling));
        for (std::size_t i = 7; i < out_gradient.size(); ++i) out_gradient[i] = 1.5F - out_gradient[i - 7];
        Floats differences;
        for (std::size_t i = 0; i < c.rows.size(); ++i) {
          Case above = c;
          Case below = c;
          above.rows[i] += kStep;
          below.rows[i] -= kStep;
          const double change = loss(pooling, above, out_gradient) - loss(pooling, below, out_gradient);
          differences.push_back(static_cast<float>(change) / (2 * kStep));
        }
        CHECK(near(gradient(pooling, c, out_gradient), differences, 1e-4F));
      }
    }
  }
}

/// In floats (1e8 + 1) - 1e8 is 0, while (1e8 - 1e8) + 1 is 1: an order is a result.
void test_sums_are_taken_in_position_order() {
  for (std::uint32_t dim = 1; dim <= 40; ++dim) {
    Case c{.dim = dim, .rows = Floats(dim, 1e8F), .members = {0, 1, 2, 0, 2, 1}, .splits = {0, 3, 6}};
    c.rows.insert(c.rows.end(), dim, 1.0F);
    c.rows.insert(c.rows.end(), dim, -1e8F);
    Floats expected(dim, 0.0F);
    expected.insert(expected.end(), dim, 1.0F);
    CHECK(pooled(Pooling::kSum, c) == expected);
    c.weights = Floats(6, 1.0F);
    CHECK(pooled(Pooling::kSum, c) == expected);

    Case back{
        .dim = dim, .rows = Floats(2 * dim), .members = {0, 1, 0, 1, 0, 1}, .splits = {0, 1, 2, 3, 4, 5, 6}};
    Floats out_gradient;
    for (const float value : {1e8F, 1e8F, 1.0F, -1e8F, -1e8F, 1.0F})
      out_gradient.insert(out_gradient.end(), dim, value);
    CHECK(gradient(Pooling::kSum, back, out_gradient) == expected);
    CHECK(gradient(Pooling::kMean, back, out_gradient) == expected);
    back.first_n = 1;
    CHECK(gradient(Pooling::kFirstN, back, out_gradient) == expected);
  }
}

void test_weights_of_one_change_no_bit() {
  for (std::uint32_t dim = 1; dim <= 40; ++dim) {
    Case c = random_case(dim, false, dim);
    for (const Pooling pooling : kPoolings) {
      c.weights.clear();
      const Floats out = pooled(pooling, c);
      const Floats rows = gradient(pooling, c, out);
      c.weights = Floats(c.members.size(), 1.0F);
      CHECK(pooled(pooling, c) == out && gradient(pooling, c, out) == rows);
    }
  }
}

/// The bits of everything that both directions make of many bags. The same in builds for the baseline alone
/// (with sanitizers) as where the widest registers are chosen.
std::uint64_t digest_of_all(bool weighted) {
  std::uint64_t digest = 0;
  std::uint64_t state = 1;
  const auto next = [&state] { return mix64(state += kGolden64); };
  const auto next_float = [&next] { return static_cast<float>(next() >> 40) * 0x1p-20F - 8.0F; };
  for (std::uint32_t dim = 1; dim <= 70; ++dim) {
    Case c{.dim = dim, .rows = Floats(std::size_t{50} * dim), .members = {}, .first_n = 3};
    for (float& value : c.rows) value = next_float();
    for (int bag = 0; bag < 12; ++bag) {
      for (std::uint64_t left = next() % 20; left > 0; --left) {
        c.members.push_back(static_cast<std::int32_t>(next() % 51) - 1);
        if (weighted) c.weights.push_back(next_float());
      }
      c.splits.push_back(static_cast<std::int64_t>(c.members.size()));
    }
    for (const Pooling pooling : kPoolings) {
      const Floats out = pooled(pooling, c);
      const Floats rows = gradient(pooling, c, out);
      for (const Floats& floats : {out, rows}) {
        digest +=
            row_digest(dim, reinterpret_cast<const std::byte*>(floats.data()), sizeof(float) * floats.size());
      }
    }
  }
  return digest;
}

void test_the_same_bits_on_every_instruction_set() {
  CHECK(digest_of_all(false) == 0xA8A4340881B40EABULL);
  CHECK(digest_of_all(true) == 0x11BAA6C2520A0987ULL);
}

/// What both directions say of a case, before they write anything.
std::string refusal(Pooling pooling, const Case& c) {
  std::string messages[2];
  float untouched[64] = {7.0F};
  try {
    pool(pooling, c.first_n, c.rows.data(), c.num_rows(), c.dim, c.members, c.splits, c.weights, untouched);
  } catch (const std::invalid_argument& error) {
    messages[0] = error.what();
  }
  try {
    pool_gradient(pooling, c.first_n, c.rows.data(), c.dim, c.members, c.splits, c.weights, c.num_rows(),
                  untouched);
  } catch (const std::invalid_argument& error) {
    messages[1] = error.what();
  }
  CHECK(messages[0] == messages[1] && untouched[0] == 7.0F);
  return messages[0];
}

void test_bad_bags_are_refused_by_name() {
  const Case good = {.dim = 1, .rows = {1, 2}, .members = {0, 1, -1}, .splits = {0, 2, 3}};
  const auto refused = [&](auto spoil) {
    Case c = good;
    spoil(c);
    return refusal(Pooling::kMean, c);
  };
  CHECK(refused([](Case& c) { c.splits = {}; }) ==
        "splits must have one element more than there are bags, received none");
  CHECK(refused([](Case& c) { c.splits[0] = 1; }) == "splits[0] must be 0, received 1");
  CHECK(refused([](Case& c) { c.splits = {0, 2, 1, 3}; }) ==
        "splits[2] must not be below the one before, 2, received 1");
  CHECK(refused([](Case& c) { c.splits = {0, -1, 3}; }) ==
        "splits[1] must not be below the one before, 0, received -1");
  CHECK(refused([](Case& c) { c.splits[2] = 4; }) ==
        "splits[2] must be the number of members, 3, received 4");
  CHECK(refused([](Case& c) { c.splits[2] = 2; }) ==
        "splits[2] must be the number of members, 3, received 2");
  CHECK(refused([](Case& c) { c.members[1] = 2; }) ==
        "members[1] must be -1 or a row number below 2, received 2");
  CHECK(refused([](Case& c) { c.members[2] = -2; }) ==
        "members[2] must be -1 or a row number below 2, received -2");
  CHECK(refused([](Case& c) { c.weights = {1, 2}; }) ==
        "weights must have one element for each of 3 members, or none, received 2");
}

void test_a_bad_shape_is_refused_by_name() {
  Case c = {.dim = 1, .rows = {1, 2}, .members = {0}, .splits = {0, 1}};
  c.first_n = 0;
  CHECK(refusal(Pooling::kFirstN, c) == "first_n must be at least 1, received 0");
  CHECK((pooled(Pooling::kSum, c) == Floats{1}));
  float out[1];
  CHECK_THROWS(pool(Pooling::kSum, 0, c.rows.data(), 2, 0, c.members, c.splits, {}, out),
               std::invalid_argument);
}

}  // namespace

int main() {
  test_bags_by_hand();
  test_weighted_bags_by_hand();
  test_gradients_by_hand();
  test_a_divisor_of_zero_gives_zeros_and_no_gradient();
  test_no_bags_and_no_rows();
  test_every_dim_matches_the_definition();
  test_gradients_match_finite_differences();
  test_sums_are_taken_in_position_order();
  test_weights_of_one_change_no_bit();
  test_the_same_bits_on_every_instruction_set();
  test_bad_bags_are_refused_by_name();
  test_a_bad_shape_is_refused_by_name();
}
