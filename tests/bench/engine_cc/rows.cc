#include "rows.h"

#include <bit>
#include <vector>

namespace bench {

std::uint64_t checksum(ConstFloats rows) noexcept {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    sum += mixed((static_cast<std::uint64_t>(i) << 32) + std::bit_cast<std::uint32_t>(rows[i] + 0.0F));
  }
  return sum;
}

std::uint64_t expected_checksum(Keys keys) {
  std::vector<float> rows(keys.size() * kDim);
  for (std::size_t i = 0; i < keys.size(); ++i) fill_vector(keys[i], rows.data() + i * kDim);
  return checksum(rows);
}

}  // namespace bench
