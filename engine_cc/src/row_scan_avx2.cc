#include <immintrin.h>

#include "row_scan_kernel.h"

namespace freshet {

void scan_blocks_avx2(const BlockScan& scan) noexcept {
  const std::int8_t* bytes = scan.packed;
  const __m256 unit = _mm256_set1_ps(scan.unit);
  for (std::size_t block = 0; block < scan.num_blocks; ++block) {
    __m256i low = _mm256_setzero_si256();
    __m256i high = _mm256_setzero_si256();
    for (std::size_t pair = 0; pair < scan.pairs; ++pair, bytes += 32) {
      const __m256i user = _mm256_set1_epi32(scan.user[pair]);
      const auto* halves = reinterpret_cast<const __m128i*>(bytes);
      low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128(halves)), user));
      high =
          _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128(halves + 1)), user));
    }
    const std::size_t at = block * 16;
    const __m256 low_scale = _mm256_mul_ps(_mm256_loadu_ps(scan.scales + at), unit);
    const __m256 high_scale = _mm256_mul_ps(_mm256_loadu_ps(scan.scales + at + 8), unit);
    _mm256_storeu_ps(scan.out + at, _mm256_mul_ps(_mm256_cvtepi32_ps(low), low_scale));
    _mm256_storeu_ps(scan.out + at + 8, _mm256_mul_ps(_mm256_cvtepi32_ps(high), high_scale));
  }
}

}  // namespace freshet
