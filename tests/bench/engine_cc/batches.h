#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "keys.h"
#include "rows.h"

namespace bench {

inline constexpr std::size_t kLargeBatch = 65'536;
inline constexpr std::size_t kSmallBatch = 512;
inline constexpr std::size_t kSliceKeys = 8 * kLargeBatch;

/// Calls `put(keys, vectors)` for keys 0 .. num_rows - 1 in batches of 65,536.
template <typename Put>
void put_rows(std::uint32_t num_rows, Put put) {
  std::vector<std::uint64_t> keys(kLargeBatch);
  std::vector<float> vectors(kLargeBatch * kDim);
  for (std::uint32_t start = 0; start < num_rows; start += kLargeBatch) {
    const std::size_t num = std::min<std::size_t>(kLargeBatch, num_rows - start);
    for (std::size_t i = 0; i < num; ++i) {
      keys[i] = key_at(start + i);
      fill_vector(keys[i], &vectors[i * kDim]);
    }
    put(Keys(keys.data(), num), ConstFloats(vectors.data(), num * kDim));
  }
}

}  // namespace bench
