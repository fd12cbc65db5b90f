#pragma once

#include <cstddef>
#include <cstdint>

namespace freshet {

/// A bijection of 64-bit words in which every input bit reaches every output bit: the finaliser of splitmix64
/// (Steele, Lea and Flood, OOPSLA 2014, with the constants of David Stafford's variant 13). Structured keys
/// (sequences, equal low bits) come out spread; a bare multiplication or the identity would not do that.
constexpr std::uint64_t mix64(std::uint64_t x) noexcept {
  x ^= x >> 30;
  x *= 0xBF58476D1CE4E5B9ULL;
  x ^= x >> 27;
  x *= 0x94D049BB133111EBULL;
  x ^= x >> 31;
  return x;
}

/// The inverse of mix64: unmix64(mix64(x)) == x. The multipliers are the inverses of mix64's modulo 2^64.
constexpr std::uint64_t unmix64(std::uint64_t x) noexcept {
  x ^= x >> 31 ^ x >> 62;
  x *= 0x319642B2D24D8EC3ULL;
  x ^= x >> 27 ^ x >> 54;
  x *= 0x96DE1B173F119089ULL;
  x ^= x >> 30 ^ x >> 60;
  return x;
}
static_assert(unmix64(mix64(0x0123456789ABCDEFULL)) == 0x0123456789ABCDEFULL);

/// out[i] = mix64(keys[i] ^ salt), several at a time where the processor can.
void hash_keys(const std::uint64_t* keys, std::size_t num_keys, std::uint64_t salt,
               std::uint64_t* out) noexcept;

/// 2^64 divided by the golden ratio, odd: the step of splitmix64's sequence.
inline constexpr std::uint64_t kGolden64 = 0x9E3779B97F4A7C15ULL;

}  // namespace freshet
