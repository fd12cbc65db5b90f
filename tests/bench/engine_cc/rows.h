#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

namespace bench {

inline constexpr std::size_t kDim = 16;
inline constexpr float kLearningRate = 0.05F;
inline constexpr float kInitialAccumulator = 0.1F;

using Keys = std::span<const std::uint64_t>;
using Floats = std::span<float>;
using ConstFloats = std::span<const float>;

struct Vector {
  float values[kDim];
};

/// What a table without a layout of its own keeps for Adagrad: vector and accumulator side by side.
struct VectorAndState {
  float values[kDim];
  float state[kDim];
};

/// The finaliser of MurmurHash3 (Appleby): a bijection, and the hash that TensorFlow Recommenders Addons gives libcuckoo.
constexpr std::uint64_t mixed(std::uint64_t x) noexcept {
  x ^= x >> 33;
  x *= 0xFF51AFD7ED558CCDULL;
  x ^= x >> 33;
  x *= 0xC4CEB9FE1A85EC53ULL;
  return x ^ (x >> 33);
}

/// The vector that belongs to a key: whole numbers of -127 to 127, of which one is 127, divided by 1,024. float16 and
/// int8 with a scale hold such a row exactly, so that every precision has the same checksum.
inline void fill_vector(std::uint64_t key, float* out) noexcept {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < kDim; ++i) {
    if (i % 8 == 0) bits = mixed(key + i + 1);
    const auto byte = static_cast<std::int8_t>(bits >> (8 * (i % 8)));
    out[i] = static_cast<float>(byte == -128 ? -127 : byte) / 1024.0F;
  }
  out[key % kDim] = 127.0F / 1024.0F;
}

/// One step in place, in the order of operations that Freshet documents.
inline void adagrad(float* values, float* state, const float* grad) noexcept {
  for (std::size_t i = 0; i < kDim; ++i) {
    state[i] += grad[i] * grad[i];
    values[i] -= kLearningRate * grad[i] / std::sqrt(state[i]);
  }
}

/// Depends on every bit of the rows and on where they stand.
std::uint64_t checksum(ConstFloats rows) noexcept;

/// The checksum that a lookup of keys that are all present must have.
std::uint64_t expected_checksum(Keys keys);

}  // namespace bench
