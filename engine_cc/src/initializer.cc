#include "freshet/initializer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <string>

#include "freshet/dispatch.h"
#include "freshet/mix.h"
#include "normal_quantile.h"

namespace freshet {
namespace {

constexpr std::array<std::string_view, 5> kNames{"zeros", "constant", "uniform", "normal",
                                                 "truncated_normal"};
constexpr float kMaxScale = 1e30F;  // eight standard deviations of it are still a float

/// The draws of one row, each a function of (seed, FID, index).
class Draws {
 public:
  Draws(std::uint64_t seed, std::uint64_t fid) noexcept : state_(mix64(mix64(seed + kGolden64) ^ fid)) {}

  std::uint64_t next() noexcept {
    state_ += kGolden64;
    return mix64(state_);
  }

  /// In (-½, ½): the middle of one of 2^52 equal intervals, exact in a double.
  double next_centred() noexcept {
    const auto interval = static_cast<std::int64_t>(next() >> 12);
    return static_cast<double>(2 * interval + 1 - (std::int64_t{1} << 52)) * 0x1p-53;
  }

 private:
  std::uint64_t state_;
};

/// The middle of one of 2^24 equal intervals, so that the distribution is symmetric and exact in a float.
FRESHET_CLONES void fill_uniform(float scale, Draws draws, float* vector, std::uint32_t dim) noexcept {
  const float step = scale * 0x1p-24F;
  for (std::uint32_t i = 0; i < dim; ++i) {
    const auto bits = static_cast<std::int32_t>(draws.next() >> 40);
    vector[i] = static_cast<float>(2 * bits + 1 - (1 << 24)) * step;
  }
}

/// `share` is the probability that is kept around the middle.
FRESHET_CLONES void fill_normal(double scale, double share, Draws draws, float* vector,
                                std::uint32_t dim) noexcept {
  for (std::uint32_t i = 0; i < dim; ++i) {
    vector[i] = static_cast<float>(normal_quantile(draws.next_centred() * share) * scale);
  }
}

constexpr double kWithinTwoDeviations = 0.95449973610364158;  // erf(√2)

}  // namespace

std::string_view name_of(InitializerKind kind) noexcept { return kNames[static_cast<std::size_t>(kind)]; }

InitializerKind initializer_kind_of(std::string_view name) {
  const auto* const found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) {
    throw std::invalid_argument(
        "kind must be one of zeros, constant, uniform, normal, truncated_normal, received " +
        std::string(name.substr(0, 80)));
  }
  return static_cast<InitializerKind>(found - kNames.begin());
}

void check_initializer(const InitializerOptions& options) {
  if (static_cast<std::size_t>(options.kind) >= kNames.size()) {
    throw std::invalid_argument("kind must be one of the enumeration, received " +
                                std::to_string(static_cast<int>(options.kind)));
  }
  const bool holds = std::fabs(options.scale) <= kMaxScale &&
                     (options.scale >= 0 || options.kind == InitializerKind::kConstant);
  if (holds) return;
  char received[32];
  std::snprintf(received, sizeof received, "%g", static_cast<double>(options.scale));
  throw std::invalid_argument(
      std::string("scale must be finite, at most 1e30 in size and not negative unless constant, received ") +
      received);
}

void initialise_vector(const InitializerOptions& options, std::uint64_t seed, std::uint64_t fid,
                       float* vector, std::uint32_t dim) noexcept {
  const auto scale = static_cast<double>(options.scale);
  switch (options.kind) {
    case InitializerKind::kZeros:
      std::fill_n(vector, dim, 0.0F);
      return;
    case InitializerKind::kConstant:
      std::fill_n(vector, dim, options.scale);
      return;
    case InitializerKind::kUniform:
      fill_uniform(options.scale, Draws(seed, fid), vector, dim);
      return;
    case InitializerKind::kNormal:
      fill_normal(scale, 1.0, Draws(seed, fid), vector, dim);
      return;
    case InitializerKind::kTruncatedNormal:
      fill_normal(scale, kWithinTwoDeviations, Draws(seed, fid), vector, dim);
      return;
  }
}

}  // namespace freshet
