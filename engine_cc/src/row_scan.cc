#include "freshet/row_scan.h"

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <vector>

#include "row_scan_kernel.h"

namespace freshet {
namespace {

constexpr float kMostByte = 127.0F;
constexpr std::int64_t kMostHalf = 32767;

/// How far rounding floats, here and in the product that this stands for, may add to the error: of a row's largest possible product.
constexpr float kRounding = 1e-5F;

float largest_magnitude(std::span<const float> values) noexcept {
  float largest = 0.0F;
  for (const float value : values) largest = std::max(largest, std::fabs(value));
  return largest;
}

/// The largest whole number that a user's dimension may become without a sum leaving 32 bits.
float most_half(std::size_t pairs) noexcept {
  const auto room =
      std::int64_t{INT32_MAX} / static_cast<std::int64_t>(2 * 127 * std::max<std::size_t>(pairs, 1));
  return static_cast<float>(std::min(kMostHalf, room));
}

struct Halves {
  std::int16_t first;
  std::int16_t second;
};

std::int16_t half_of(float value, float unit, float most) noexcept {
  return static_cast<std::int16_t>(std::clamp(std::nearbyint(value / unit), -most, most));
}

ScanBlocks kernel_of([[maybe_unused]] InstructionSet set) noexcept {
#if defined(__x86_64__)
  if (set == InstructionSet::kAvx512) return scan_blocks_avx512;
  if (set == InstructionSet::kAvx2) return scan_blocks_avx2;
#endif
  return scan_blocks_baseline;
}

}  // namespace

void scan_write(std::span<const std::int32_t> rows, std::span<const float> vectors, std::size_t dim,
                std::span<std::int8_t> packed, std::span<float> scales) noexcept {
  const std::size_t block_bytes = scan_block_bytes(dim);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto row = static_cast<std::size_t>(rows[i]);
    const auto vector = vectors.subspan(i * dim, dim);
    const float largest = largest_magnitude(vector);
    float scale = largest / kMostByte;
    // What is too small to be divided by becomes zero, with a scale by which the bound still holds.
    const bool vanishes = scale < FLT_MIN;
    if (vanishes) scale = largest == 0.0F ? 0.0F : 2 * kMostByte * FLT_MIN;
    std::int8_t* const to = packed.data() + row / kScanBlockRows * block_bytes + row % kScanBlockRows * 2;
    for (std::size_t d = 0; d < dim; ++d) {
      const float whole =
          vanishes ? 0.0F : std::clamp(std::nearbyint(vector[d] / scale), -kMostByte, kMostByte);
      to[d / 2 * kScanBlockRows * 2 + d % 2] = static_cast<std::int8_t>(whole);
    }
    scales[row] = scale;
  }
}

float scan_products(std::span<const std::int8_t> packed, std::span<const float> scales,
                    std::span<const float> user, std::span<float> out, InstructionSet set) {
  const std::size_t pairs = scan_pairs(user.size());
  const float largest = largest_magnitude(user);
  const float most = most_half(pairs);
  const float unit = std::max(largest / most, FLT_MIN);
  std::vector<std::int32_t> words(pairs, 0);
  float sum = 0.0F;
  for (std::size_t pair = 0; pair < pairs; ++pair) {
    const float first = user[2 * pair];
    const float second = 2 * pair + 1 < user.size() ? user[2 * pair + 1] : 0.0F;
    words[pair] =
        std::bit_cast<std::int32_t>(Halves{half_of(first, unit, most), half_of(second, unit, most)});
    sum += std::fabs(first) + std::fabs(second);
  }
  kernel_of(set)(
      {packed.data(), scales.data(), words.data(), out.size() / kScanBlockRows, pairs, unit, out.data()});
  // A row's numbers are off by half its scale at most, the user's by half of `unit`; |row's number| <= 127 * scale.
  const float of_rows = 0.5F * sum;
  const float of_user = 0.5F * unit * kMostByte * static_cast<float>(user.size());
  return of_rows + of_user + kRounding * kMostByte * sum;
}

}  // namespace freshet
