#include "keys.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_set>

namespace bench {
namespace {

constexpr double kExponent = 1.05;

}  // namespace

std::vector<std::uint64_t> keys_at(std::span<const std::uint32_t> places) {
  std::vector<std::uint64_t> keys(places.size());
  std::transform(places.begin(), places.end(), keys.begin(),
                 [](std::uint32_t place) { return key_at(place); });
  return keys;
}

Places::Places(std::uint32_t num_rows, Distribution distribution, std::uint64_t seed)
    : num_rows_(num_rows), distribution_(distribution), random_(seed) {
  if (distribution != Distribution::kZipf) return;
  place_of_rank_.resize(num_rows);
  std::iota(place_of_rank_.begin(), place_of_rank_.end(), 0U);
  std::shuffle(place_of_rank_.begin(), place_of_rank_.end(), random_);
}

std::vector<std::uint32_t> Places::draw(std::size_t num) {
  std::vector<std::uint32_t> places(num);
  for (std::uint32_t& place : places) {
    // the high product of 32 random bits and n: even to 1 in 2^32 / n
    place = distribution_ == Distribution::kZipf
                ? place_of_rank_[zipf_rank()]
                : static_cast<std::uint32_t>(((random_() >> 32) * num_rows_) >> 32);
  }
  return places;
}

std::vector<std::uint32_t> Places::draw_distinct(std::size_t num) {
  std::unordered_set<std::uint32_t> seen;
  std::vector<std::uint32_t> places;
  while (places.size() < num) {
    const auto place = static_cast<std::uint32_t>(((random_() >> 32) * num_rows_) >> 32);
    if (seen.insert(place).second) places.push_back(place);
  }
  return places;
}

/// The continuous power law on [1, n + 1), its distribution function inverted.
std::uint32_t Places::zipf_rank() {
  const double power = 1.0 - kExponent;
  const double drawn = static_cast<double>(random_() >> 11) * 0x1.0p-53;
  const double rank = std::pow(1.0 + drawn * (std::pow(num_rows_ + 1.0, power) - 1.0), 1.0 / power);
  return std::min(static_cast<std::uint32_t>(rank) - 1, num_rows_ - 1);
}

}  // namespace bench
