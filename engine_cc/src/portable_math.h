#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace freshet {

/// ln 2 in two parts; the low bits of the first are 0, so that its product with an exponent is exact.
inline constexpr double kLn2High = 0x1.62e42fefa3800p-1;
inline constexpr double kLn2Low = 0x1.ef35793c76730p-45;

/// 1/3, 1/5, ... 1/23. A table, because divisions in a loop are not folded.
inline constexpr std::array<double, 11> kInverseOdds = [] {
  std::array<double, 11> inverse{};
  for (std::size_t i = 0; i < inverse.size(); ++i) inverse[i] = 1 / static_cast<double>(2 * i + 3);
  return inverse;
}();

/// ln(x) of a positive, finite, normal x, within 2 units in the last place. Made of + - * / alone, because the last
/// bit of a platform's std::log differs between C libraries.
///
/// x = 2^k·m with m in [√½, √2); ln m = 2·artanh(s) with s = (m-1)/(m+1), whose series in s² <= 0.0295 ends below
/// 1e-18 after twelve terms.
inline double portable_log(double x) noexcept {
  constexpr std::uint64_t kRootHalf = 0x3FE6A09E667F3BCDULL;
  constexpr std::uint64_t kExponentUnit = std::uint64_t{1} << 52;
  const auto bits = std::bit_cast<std::uint64_t>(x);
  const auto k = static_cast<std::int64_t>(bits - kRootHalf) >> 52;
  const double m = std::bit_cast<double>(bits - static_cast<std::uint64_t>(k) * kExponentUnit);
  const double s = (m - 1) / (m + 1);
  const double t = s * s;
  double series = 0;
  for (std::size_t i = kInverseOdds.size(); i-- > 0;) series = (series + kInverseOdds[i]) * t;
  const auto whole = static_cast<double>(k);
  return whole * kLn2High + (2 * s + (2 * s * series + whole * kLn2Low));
}

/// 1/1!, 1/2!, ... 1/14!.
inline constexpr std::array<double, 14> kInverseFactorials = [] {
  std::array<double, 14> inverse{};
  double factorial = 1;
  for (std::size_t i = 0; i < inverse.size(); ++i) inverse[i] = 1 / (factorial *= static_cast<double>(i + 1));
  return inverse;
}();

/// e^x for |x| <= 700, within a few units in the last place, made of + - * / alone. x = k·ln 2 + r with |r| <= 0.35;
/// the Taylor series of e^r ends below 1e-17 after fourteen terms.
inline double portable_exp(double x) noexcept {
  constexpr double kInverseLn2 = 0x1.71547652b82fep+0;
  const double scaled = x * kInverseLn2;
  const auto k = static_cast<std::int64_t>(scaled + (scaled < 0 ? -0.5 : 0.5));
  const auto whole = static_cast<double>(k);
  const double r = (x - whole * kLn2High) - whole * kLn2Low;
  double series = 0;
  for (std::size_t i = kInverseFactorials.size(); i-- > 0;) series = (series + kInverseFactorials[i]) * r;
  return (1 + series) * std::bit_cast<double>(static_cast<std::uint64_t>(k + 1023) << 52);
}

}  // namespace freshet
