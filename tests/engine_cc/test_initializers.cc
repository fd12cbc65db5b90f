// A new vector is a pure function of (seed, FID, index) with the distribution it says, the same bits everywhere.

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.h"
#include "freshet/initializer.h"
#include "freshet/xxh64.h"

using namespace freshet;

namespace {

using Floats = std::vector<float>;
using Kind = InitializerKind;
constexpr auto kKinds = {Kind::kZeros, Kind::kConstant, Kind::kUniform, Kind::kNormal,
                         Kind::kTruncatedNormal};

Floats vector_of(Kind kind, float scale, std::uint64_t seed, std::uint64_t fid, std::uint32_t dim) {
  Floats vector(dim, -99.0F);
  initialise_vector({.kind = kind, .scale = scale}, seed, fid, vector.data(), dim);
  return vector;
}

/// 160,000 values of 10,000 neighbouring FIDs.
Floats sample(Kind kind, float scale) {
  Floats all;
  for (std::uint64_t fid = 0; fid < 10'000; ++fid) {
    const Floats vector = vector_of(kind, scale, 5, fid, 16);
    all.insert(all.end(), vector.begin(), vector.end());
  }
  return all;
}

double normal_probability(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

/// Kolmogorov and Smirnov's distance between the sample and a distribution function.
template <class Probability>
double distance(Floats values, Probability probability) {
  std::sort(values.begin(), values.end());
  const auto num = static_cast<double>(values.size());
  double worst = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double expected = probability(static_cast<double>(values[i]));
    worst = std::max(
        {worst, expected - static_cast<double>(i) / num, static_cast<double>(i + 1) / num - expected});
  }
  return worst;
}

double mean_square(const Floats& values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * static_cast<double>(value);
  return sum / static_cast<double>(values.size());
}

constexpr double kFarthest = 1.63 / 400;  // exceeded by one true sample of 160,000 in a hundred

void test_zeros_and_constants() {
  CHECK(vector_of(Kind::kZeros, 3.0F, 1, 2, 3) == Floats(3, 0.0F));
  CHECK(vector_of(Kind::kConstant, -0.25F, 1, 2, 3) == Floats(3, -0.25F));
}

void test_uniform_values_fill_the_scale() {
  const Floats values = sample(Kind::kUniform, 0.25F);
  for (const float value : values) CHECK(std::fabs(value) < 0.25F);
  CHECK(distance(values, [](double x) { return (x + 0.25) / 0.5; }) < kFarthest);
}

void test_normal_values_are_normal_out_to_the_tails() {
  const Floats values = sample(Kind::kNormal, 0.5F);
  CHECK(distance(values, [](double x) { return normal_probability(x / 0.5); }) < kFarthest);
  CHECK(std::fabs(mean_square(values) - 0.25) < 0.003);  // three standard errors: 3·0.25·√(2/160,000)
  const auto beyond =
      std::count_if(values.begin(), values.end(), [](float x) { return std::fabs(x) > 1.5F; });
  CHECK(beyond > 432 - 63 &&
        beyond < 432 + 63);  // 160,000·0.0027 beyond three deviations, ± three of its own
}

void test_truncated_values_are_normal_within_two_deviations() {
  const Floats values = sample(Kind::kTruncatedNormal, 0.5F);
  for (const float value : values) CHECK(std::fabs(value) <= 1.0F);
  CHECK(std::any_of(values.begin(), values.end(), [](float x) { return std::fabs(x) > 0.99F; }));
  const double cut = normal_probability(-2);
  CHECK(distance(values, [cut](double x) { return (normal_probability(x / 0.5) - cut) / (1 - 2 * cut); }) <
        kFarthest);
  CHECK(std::fabs(std::sqrt(mean_square(values)) - 0.880 * 0.5) < 0.002);
}

void test_neighbouring_fids_seeds_and_indices_are_unrelated() {
  for (const Kind kind : {Kind::kUniform, Kind::kNormal, Kind::kTruncatedNormal}) {
    std::set<float> values;
    for (std::uint64_t seed = 0; seed < 3; ++seed) {
      for (std::uint64_t fid = 0; fid < 3; ++fid) {
        for (const float value : vector_of(kind, 1.0F, seed, fid, 8)) values.insert(value);
      }
    }
    CHECK(values.size() == 3 * 3 * 8);
    const Floats values_of_index = sample(kind, 1.0F);
    double product = 0;
    for (std::size_t i = 0; i + 16 < values_of_index.size(); ++i) {
      product += static_cast<double>(values_of_index[i]) * static_cast<double>(values_of_index[i + 16]);
    }
    CHECK(std::fabs(product / static_cast<double>(values_of_index.size())) <
          0.01);  // standard error <= 0.0025
  }
}

void test_a_wider_vector_begins_as_a_narrower_one() {
  for (const Kind kind : kKinds) {
    const Floats wide = vector_of(kind, 0.1F, 8, 9, 100);
    for (const std::uint32_t dim : {1U, 3U, 16U, 17U}) {
      CHECK(vector_of(kind, 0.1F, 8, 9, dim) == Floats(wide.begin(), wide.begin() + dim));
    }
  }
}

void test_a_scale_of_zero_gives_zeros() {
  for (const Kind kind : kKinds) {
    for (const float value : vector_of(kind, 0.0F, 1, 1, 64)) CHECK(std::fabs(value) == 0.0F);
  }
}

void test_the_greatest_scale_stays_finite() {
  for (const float value : sample(Kind::kNormal, 1e30F)) CHECK(std::isfinite(value));
}

/// The normal values were worked out apart, in Python with statistics.NormalDist.inv_cdf.
void test_the_values_of_a_seed_never_change() {
  CHECK((vector_of(Kind::kUniform, 0.01F, 17, 1, 2) == Floats{-0x1.9c5078p-8F, 0x1.2a6144p-7F}));
  CHECK((vector_of(Kind::kNormal, 0.5F, 17, 1, 4) ==
         Floats{-0x1.ca2bfep-2F, 0x1.b2cfc2p-1F, 0x1.2b27ecp-1F, -0x1.fe4028p-7F}));
  CHECK((vector_of(Kind::kNormal, 0.5F, 0, 0, 4) ==
         Floats{-0x1.abcf9ep-3F, -0x1.3b1bacp-2F, -0x1.375680p-2F, -0x1.975f48p-6F}));
  CHECK((vector_of(Kind::kTruncatedNormal, 0.5F, 17, 1, 4) ==
         Floats{-0x1.af61bap-2F, 0x1.82c174p-1F, 0x1.1645a2p-1F, -0x1.e706eep-7F}));
  CHECK((vector_of(Kind::kTruncatedNormal, 0.5F, (std::uint64_t{1} << 63) + 5, ~std::uint64_t{0}, 4) ==
         Floats{-0x1.38439cp-3F, 0x1.fa3bf4p-3F, -0x1.2df036p-3F, 0x1.d7ed36p-2F}));
}

/// All 160,000 values, tails included, whatever the compiler's options.
void test_the_bits_of_a_large_sample_never_change() {
  const auto bits = [](Kind kind) {
    const Floats values = sample(kind, 0.05F);
    return xxh64(values.data(), values.size() * sizeof(float), 0);
  };
  CHECK(bits(Kind::kUniform) == 0x9FE6BD73006B0F4DULL);
  CHECK(bits(Kind::kNormal) == 0xD4B2350891F5D008ULL);
  CHECK(bits(Kind::kTruncatedNormal) == 0x81713BB16470D4A8ULL);
}

std::string refusal(const InitializerOptions& options) {
  try {
    check_initializer(options);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "accepted";
}

void test_wrong_options_are_refused_by_name_rule_and_value() {
  const std::string rule =
      "scale must be finite, at most 1e30 in size and not negative unless constant, received ";
  CHECK(refusal({.kind = Kind::kUniform, .scale = -1}) == rule + "-1");
  CHECK(refusal({.kind = Kind::kNormal, .scale = std::numeric_limits<float>::infinity()}) == rule + "inf");
  CHECK(refusal({.kind = Kind::kConstant, .scale = std::numeric_limits<float>::quiet_NaN()}) == rule + "nan");
  CHECK(refusal({.kind = Kind::kTruncatedNormal, .scale = 2e30F}) == rule + "2e+30");
  CHECK(refusal({.kind = static_cast<Kind>(5)}) == "kind must be one of the enumeration, received 5");
  CHECK(refusal({.kind = Kind::kConstant, .scale = -1}) == "accepted");
  CHECK(refusal({}) == "accepted");
}

void test_kinds_have_names_both_ways() {
  for (const Kind kind : kKinds) CHECK(initializer_kind_of(name_of(kind)) == kind);
  CHECK(name_of(Kind::kTruncatedNormal) == "truncated_normal");
  CHECK_THROWS(initializer_kind_of("xavier"), std::invalid_argument);
}

}  // namespace

int main() {
  test_zeros_and_constants();
  test_uniform_values_fill_the_scale();
  test_normal_values_are_normal_out_to_the_tails();
  test_truncated_values_are_normal_within_two_deviations();
  test_neighbouring_fids_seeds_and_indices_are_unrelated();
  test_a_wider_vector_begins_as_a_narrower_one();
  test_a_scale_of_zero_gives_zeros();
  test_the_greatest_scale_stays_finite();
  test_the_values_of_a_seed_never_change();
  test_the_bits_of_a_large_sample_never_change();
  test_wrong_options_are_refused_by_name_rule_and_value();
  test_kinds_have_names_both_ways();
}
