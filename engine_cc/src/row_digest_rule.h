#pragma once

// The definition of row_digest.h in plain C++; shared by its implementations.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "freshet/mix.h"

namespace freshet::digest_rule {

static_assert(std::endian::native == std::endian::little, "words are read as they lie in memory");

inline constexpr std::size_t kWordBytes = sizeof(std::uint64_t);
inline constexpr std::size_t kChunkWords = 2048;
inline constexpr std::size_t kChunkBytes = kWordBytes * kChunkWords;
inline constexpr std::size_t kShiftWords = 8;

using Keys = std::array<std::uint64_t, kChunkWords + kShiftWords>;

/// splitmix64's sequence from pi's first 64 fractional bits; a word is a pair of 32-bit keys.
constexpr Keys keys_of_sequence() noexcept {
  Keys keys{};
  std::uint64_t state = 0x243F6A8885A308D3ULL;
  for (std::uint64_t& key : keys) {
    state += kGolden64;
    key = mix64(state);
  }
  return keys;
}

alignas(64) inline constexpr Keys kKeys = keys_of_sequence();

/// A product whose other factor is 0 hides its half of a word; no half is hidden twice if its two keys differ.
constexpr bool every_key_differs_from_its_shift() noexcept {
  for (std::size_t word = 0; word < kChunkWords; ++word) {
    const std::uint64_t difference = kKeys[word] ^ kKeys[word + kShiftWords];
    if ((difference >> 32) == 0 || (difference & 0xFFFFFFFFU) == 0) return false;
  }
  return true;
}
static_assert(every_key_differs_from_its_shift());

/// pi's next 64 fractional bits: FID 0 is not mix64's zero.
inline constexpr std::uint64_t kFidMask = 0x13198A2E03707344ULL;

struct Nh {
  std::uint64_t first = 0;
  std::uint64_t second = 0;
};

inline std::uint64_t product(std::uint64_t word, std::uint64_t key) noexcept {
  const auto low = static_cast<std::uint32_t>(word) + static_cast<std::uint32_t>(key);
  const auto high = static_cast<std::uint32_t>(word >> 32) + static_cast<std::uint32_t>(key >> 32);
  return std::uint64_t{low} * high;
}

/// The 1 to 7 bytes of a word that is not whole.
inline std::uint64_t partial_word(const std::byte* bytes, std::size_t num_bytes) noexcept {
  std::uint64_t word = 0;
  std::size_t at = 0;
  const auto take = [&](auto part) {
    std::memcpy(&part, bytes + at, sizeof part);
    word |= std::uint64_t{part} << (8 * at);
    at += sizeof part;
  };
  if ((num_bytes & 4) != 0) take(std::uint32_t{0});
  if ((num_bytes & 2) != 0) take(std::uint16_t{0});
  if ((num_bytes & 1) != 0) take(std::uint8_t{0});
  return word;
}

inline void add_word(std::uint64_t value, std::size_t word, Nh& nh) noexcept {
  nh.first += product(value, kKeys[word]);
  nh.second += product(value, kKeys[word + kShiftWords]);
}

/// Adds a chunk's words from `word` on.
inline void add_words(const std::byte* chunk, std::size_t num_bytes, std::size_t word, Nh& nh) noexcept {
  for (; kWordBytes * (word + 1) <= num_bytes; ++word) {
    std::uint64_t value;
    std::memcpy(&value, chunk + kWordBytes * word, kWordBytes);
    add_word(value, word, nh);
  }
  const std::size_t rest = num_bytes - kWordBytes * word;
  if (rest != 0) add_word(partial_word(chunk + kWordBytes * word, rest), word, nh);
}

inline std::uint64_t first_term(std::uint64_t fid) noexcept { return mix64(fid ^ kFidMask); }

inline std::uint64_t fold(std::uint64_t term, const Nh& nh, std::size_t num_bytes) noexcept {
  __extension__ using Wide = unsigned __int128;
  const Wide wide = Wide{term + nh.first} * (std::rotl(term, 32) + nh.second + num_bytes);
  return mix64(static_cast<std::uint64_t>(wide) ^ static_cast<std::uint64_t>(wide >> 64));
}

}  // namespace freshet::digest_rule
