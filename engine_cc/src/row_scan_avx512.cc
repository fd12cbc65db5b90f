#include <immintrin.h>

#include "row_scan_kernel.h"

namespace freshet {
namespace {

// Blocks side by side, so that one sum need not wait for the other.
constexpr std::size_t kBlocks = 4;

template <std::size_t kWide>
void scan_some(const BlockScan& scan, std::size_t first) noexcept {
  const std::size_t block_bytes = scan.pairs * 32;
  const std::int8_t* bytes = scan.packed + first * block_bytes;
  __m512i sums[kWide];
  for (auto& sum : sums) sum = _mm512_setzero_si512();
  for (std::size_t pair = 0; pair < scan.pairs; ++pair, bytes += 32) {
    const __m512i user = _mm512_set1_epi32(scan.user[pair]);
    for (std::size_t i = 0; i < kWide; ++i) {
      const __m256i rows = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes + i * block_bytes));
      sums[i] = _mm512_add_epi32(sums[i], _mm512_madd_epi16(_mm512_cvtepi8_epi16(rows), user));
    }
  }
  const __m512 unit = _mm512_set1_ps(scan.unit);
  for (std::size_t i = 0; i < kWide; ++i) {
    const std::size_t at = (first + i) * 16;
    const __m512 scale = _mm512_mul_ps(_mm512_loadu_ps(scan.scales + at), unit);
    _mm512_storeu_ps(scan.out + at, _mm512_mul_ps(_mm512_cvtepi32_ps(sums[i]), scale));
  }
}

}  // namespace

void scan_blocks_avx512(const BlockScan& scan) noexcept {
  std::size_t block = 0;
  for (; block + kBlocks <= scan.num_blocks; block += kBlocks) scan_some<kBlocks>(scan, block);
  for (; block < scan.num_blocks; ++block) scan_some<1>(scan, block);
}

}  // namespace freshet
