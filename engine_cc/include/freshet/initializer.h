#pragma once

#include <cstdint>
#include <string_view>

namespace freshet {

enum class InitializerKind : std::uint8_t { kZeros, kConstant, kUniform, kNormal, kTruncatedNormal };

/// "zeros", "constant", "uniform", "normal", "truncated_normal".
std::string_view name_of(InitializerKind kind) noexcept;

/// The reverse; throws std::invalid_argument for another name.
InitializerKind initializer_kind_of(std::string_view name);

struct InitializerOptions {
  InitializerKind kind = InitializerKind::kUniform;
  /// Uniform: the values lie in (-scale, scale). Normal: the standard deviation. Truncated normal: that of the normal
  /// distribution whose values beyond ±2·scale are left out (what remains has 0.880·scale). Constant: the value.
  /// Zeros ignores it.
  float scale = 0.01F;
};

/// Throws std::invalid_argument unless `scale` is finite, not above 1e30 in size, and, but for a constant, not
/// negative.
void check_initializer(const InitializerOptions& options);

/// Writes the vector of a new row: a function of (seed, FID, index) and the options alone, the same bits on every
/// machine and in every order of creation. O(dim), no allocation; the options must pass `check_initializer`.
///
/// The draws are a splitmix64 sequence that starts from a hash of seed and FID; a uniform value takes 24 bits of one, a
/// normal value 52. A normal value is the inverse of the distribution function at that draw, one draw for one value, by
/// Wichura's rational approximations (algorithm AS 241, 1988; relative error 1e-16) evaluated in double with
/// + - * / and √, which IEEE 754 fixes to the bit, and a logarithm of our own for the tails. std::normal_distribution
/// differs between libraries; Box and Muller need a platform's sin and log. Truncation maps the draw into the middle
/// 95.45 % first, so that it rejects nothing either.
void initialise_vector(const InitializerOptions& options, std::uint64_t seed, std::uint64_t fid,
                       float* vector, std::uint32_t dim) noexcept;

}  // namespace freshet
