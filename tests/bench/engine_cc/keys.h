#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "rows.h"

namespace bench {

/// Which rows are asked for: every one alike, or Zipf(1.05) by a rank that says nothing of where a row lies.
enum class Distribution { kUniform, kZipf };

inline std::string name_of(Distribution distribution) {
  return distribution == Distribution::kUniform ? "uniform" : "zipf";
}

/// Key number `place`: 64 random-looking bits, no two alike. Places from the number of rows on are absent keys.
constexpr std::uint64_t key_at(std::uint64_t place) noexcept { return mixed(place + 0x9E3779B97F4A7C15ULL); }

std::vector<std::uint64_t> keys_at(std::span<const std::uint32_t> places);

/// Draws places of rows 0 .. num_rows - 1; its draws are a function of the seed.
class Places {
 public:
  Places(std::uint32_t num_rows, Distribution distribution, std::uint64_t seed);

  std::vector<std::uint32_t> draw(std::size_t num);

  /// No place twice. `num` is at most the number of rows.
  std::vector<std::uint32_t> draw_distinct(std::size_t num);

 private:
  std::uint32_t zipf_rank();

  std::uint32_t num_rows_;
  Distribution distribution_;
  std::mt19937_64 random_;
  std::vector<std::uint32_t> place_of_rank_;
};

}  // namespace bench
