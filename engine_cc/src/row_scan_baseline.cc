#include <bit>

#include "row_scan_kernel.h"

namespace freshet {

void scan_blocks_baseline(const BlockScan& scan) noexcept {
  const std::int8_t* bytes = scan.packed;
  for (std::size_t block = 0; block < scan.num_blocks; ++block) {
    std::int32_t sums[16] = {};
    for (std::size_t pair = 0; pair < scan.pairs; ++pair, bytes += 32) {
      struct Halves {
        std::int16_t first;
        std::int16_t second;
      };
      const auto halves = std::bit_cast<Halves>(scan.user[pair]);
      for (std::size_t row = 0; row < 16; ++row) {
        sums[row] += bytes[2 * row] * halves.first + bytes[2 * row + 1] * halves.second;
      }
    }
    for (std::size_t row = 0; row < 16; ++row) {
      const std::size_t at = block * 16 + row;
      scan.out[at] = static_cast<float>(sums[row]) * (scan.scales[at] * scan.unit);
    }
  }
}

}  // namespace freshet
