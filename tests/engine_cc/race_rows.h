#pragma once

// Rows that tell whose they are: element i of FID f is k · tag(f, i) for a whole number k, the row's version. A row of
// another FID, or one put together from two rows, shows at once, and so does a row of which the elements differ in k.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "check.h"
#include "freshet/mix.h"

namespace freshet::testing {

using Fids = std::vector<std::uint64_t>;
using Floats = std::vector<float>;

inline constexpr std::uint32_t kRaceDim = 8;
inline constexpr std::uint32_t kMaxVersion = 4095;  // k · tag stays below 2^24: exact in a float

/// 2048 .. 4095.
inline std::uint32_t tag(std::uint64_t fid, std::size_t element) {
  return 2048 + static_cast<std::uint32_t>(mix64(fid * kRaceDim + element) & 2047);
}

inline void write_version(std::uint64_t fid, std::uint32_t version, float* vector) {
  for (std::size_t i = 0; i < kRaceDim; ++i) vector[i] = static_cast<float>(version * tag(fid, i));
}

/// The row of version 1, times -1: with a learning rate of 1, plain descent adds 1 to the version.
inline void write_gradient(std::uint64_t fid, float* gradient) {
  for (std::size_t i = 0; i < kRaceDim; ++i) gradient[i] = -static_cast<float>(tag(fid, i));
}

inline std::uint32_t version_of(std::uint64_t fid, std::size_t element, float value) {
  CHECK(value >= 0 && value < 0x1p24F);
  const auto whole = static_cast<std::uint32_t>(value);
  CHECK(static_cast<float>(whole) == value && whole % tag(fid, element) == 0);
  return whole / tag(fid, element);
}

/// Fails unless every element is of this FID; answers the least version among them.
inline std::uint32_t check_own(std::uint64_t fid, const float* vector) {
  std::uint32_t least = kMaxVersion;
  for (std::size_t i = 0; i < kRaceDim; ++i) least = std::min(least, version_of(fid, i, vector[i]));
  return least;
}

/// Fails unless every element is of this FID and of the same version, which is answered.
inline std::uint32_t check_whole(std::uint64_t fid, const float* vector) {
  const std::uint32_t version = version_of(fid, 0, vector[0]);
  for (std::size_t i = 1; i < kRaceDim; ++i) CHECK(version_of(fid, i, vector[i]) == version);
  return version;
}

/// splitmix64: one stream for each thread, from its number.
class Draws {
 public:
  explicit Draws(std::uint64_t seed) : state_(mix64(seed)) {}
  std::uint64_t next() { return mix64(state_ += kGolden64); }
  std::uint64_t below(std::uint64_t limit) { return next() % limit; }

 private:
  std::uint64_t state_;
};

}  // namespace freshet::testing
