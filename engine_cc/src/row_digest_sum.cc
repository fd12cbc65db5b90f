#include "freshet/row_digest.h"
#include "row_digest_rule.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define FRESHET_X86_DIGEST 1
#endif

namespace freshet {
namespace {

using namespace digest_rule;

std::uint64_t sum_one_by_one(const std::uint64_t* fids, const std::byte* const* rows, std::size_t num_rows,
                             std::size_t num_bytes) noexcept {
  static const RowDigestFn term = row_digest_function();
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < num_rows; ++i) sum += term(fids[i], rows[i], num_bytes);
  return sum;
}

#ifdef FRESHET_X86_DIGEST

#define FRESHET_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))

constexpr std::size_t kLanes = 8;
constexpr std::size_t kVectorBytes = 64;

// The masked forms with every lane on cost nothing, and g++ 12 takes the plain ones for uses of uninitialised vectors.
constexpr __mmask8 kEvery = 0xFF;

template <int kBits>
FRESHET_AVX512 inline __m512i right(__m512i x) noexcept {
  return _mm512_maskz_srli_epi64(kEvery, x, kBits);
}

FRESHET_AVX512 inline __m512i word(std::uint64_t value) noexcept {
  return _mm512_set1_epi64(static_cast<long long>(value));
}

/// mix64 of each lane.
FRESHET_AVX512 inline __m512i mix_lanes(__m512i x) noexcept {
  x = _mm512_mullo_epi64(_mm512_xor_si512(x, right<30>(x)), word(0xBF58476D1CE4E5B9ULL));
  x = _mm512_mullo_epi64(_mm512_xor_si512(x, right<27>(x)), word(0x94D049BB133111EBULL));
  return _mm512_xor_si512(x, right<31>(x));
}

/// The two halves, xored, of the 128-bit products of the lanes.
FRESHET_AVX512 inline __m512i folded_products(__m512i x, __m512i y) noexcept {
  const __m512i low_half = word(0xFFFFFFFFU);
  const __m512i x_high = right<32>(x);
  const __m512i y_high = right<32>(y);
  const __m512i low = _mm512_maskz_mul_epu32(kEvery, x, y);
  const __m512i cross = _mm512_add_epi64(_mm512_maskz_mul_epu32(kEvery, x_high, y), right<32>(low));
  const __m512i middle =
      _mm512_add_epi64(_mm512_maskz_mul_epu32(kEvery, x, y_high), _mm512_and_si512(cross, low_half));
  const __m512i high = _mm512_add_epi64(_mm512_maskz_mul_epu32(kEvery, x_high, y_high),
                                        _mm512_add_epi64(right<32>(cross), right<32>(middle)));
  const __m512i all_low =
      _mm512_or_si512(_mm512_maskz_slli_epi64(kEvery, middle, 32), _mm512_and_si512(low, low_half));
  return _mm512_xor_si512(high, all_low);
}

FRESHET_AVX512 inline __m512i add_halves(__m512i x, __m512i y) noexcept {
  return _mm512_add_epi64(_mm512_maskz_unpacklo_epi64(kEvery, x, y),
                          _mm512_maskz_unpackhi_epi64(kEvery, x, y));
}

template <int kFirst, int kSecond>
FRESHET_AVX512 inline __m512i add_quarters(__m512i x, __m512i y) noexcept {
  return _mm512_add_epi64(_mm512_maskz_shuffle_i64x2(kEvery, x, y, kFirst),
                          _mm512_maskz_shuffle_i64x2(kEvery, x, y, kSecond));
}

/// Eight vectors, each added up: the sum of vector i in lane i.
FRESHET_AVX512 inline __m512i sums_of(const __m512i* vectors) noexcept {
  // Rows 0 and 1, 2 and 3, ...: in each 128-bit quarter a partial sum of the one and of the other.
  const __m512i rows_01 = add_halves(vectors[0], vectors[1]);
  const __m512i rows_23 = add_halves(vectors[2], vectors[3]);
  const __m512i rows_45 = add_halves(vectors[4], vectors[5]);
  const __m512i rows_67 = add_halves(vectors[6], vectors[7]);
  const __m512i rows_0123 = add_quarters<0x88, 0xDD>(rows_01, rows_23);  // quarters 01, 01, 23, 23
  const __m512i rows_4567 = add_quarters<0x88, 0xDD>(rows_45, rows_67);
  return add_quarters<0x88, 0xDD>(rows_0123, rows_4567);
}

/// Eight rows of whole vectors, of one chunk.
FRESHET_AVX512 inline __m512i terms_of_8(const std::uint64_t* fids, const std::byte* const* rows,
                                         std::size_t num_bytes) noexcept {
  __m512i first[kLanes];
  __m512i second[kLanes];
  for (std::size_t i = 0; i < kLanes; ++i) first[i] = second[i] = _mm512_setzero_si512();
  for (std::size_t at = 0; at < num_bytes; at += kVectorBytes) {
    const __m512i keys = _mm512_load_si512(kKeys.data() + at / kWordBytes);
    const __m512i more_keys = _mm512_load_si512(kKeys.data() + at / kWordBytes + kShiftWords);
    for (std::size_t i = 0; i < kLanes; ++i) {
      const __m512i words = _mm512_loadu_si512(rows[i] + at);
      const __m512i keyed = _mm512_add_epi32(words, keys);
      const __m512i also_keyed = _mm512_add_epi32(words, more_keys);
      first[i] = _mm512_add_epi64(first[i], _mm512_maskz_mul_epu32(kEvery, keyed, right<32>(keyed)));
      second[i] =
          _mm512_add_epi64(second[i], _mm512_maskz_mul_epu32(kEvery, also_keyed, right<32>(also_keyed)));
    }
  }
  const __m512i term = mix_lanes(_mm512_xor_si512(_mm512_loadu_si512(fids), word(kFidMask)));
  const __m512i turned = _mm512_maskz_rol_epi64(kEvery, term, 32);
  const __m512i x = _mm512_add_epi64(term, sums_of(first));
  const __m512i y = _mm512_add_epi64(turned, _mm512_add_epi64(sums_of(second), word(num_bytes)));
  return mix_lanes(folded_products(x, y));
}

FRESHET_AVX512 std::uint64_t sum_by_eights(const std::uint64_t* fids, const std::byte* const* rows,
                                           std::size_t num_rows, std::size_t num_bytes) noexcept {
  std::size_t i = 0;
  std::uint64_t sum = 0;
  if (num_bytes != 0 && num_bytes % kVectorBytes == 0 && num_bytes <= kChunkBytes) {
    __m512i sums = _mm512_setzero_si512();
    for (; i + kLanes <= num_rows; i += kLanes) {
      sums = _mm512_add_epi64(sums, terms_of_8(fids + i, rows + i, num_bytes));
    }
    alignas(64) std::uint64_t lanes[kLanes];
    _mm512_store_si512(lanes, sums);
    for (const std::uint64_t lane : lanes) sum += lane;
  }
  return sum + sum_one_by_one(fids + i, rows + i, num_rows - i, num_bytes);
}

#endif

}  // namespace

RowDigestSumFn row_digest_sum_function([[maybe_unused]] InstructionSet set) noexcept {
#ifdef FRESHET_X86_DIGEST
  if (set == InstructionSet::kAvx512) return sum_by_eights;
#endif
  return sum_one_by_one;
}

RowDigestSumFn row_digest_sum_function() noexcept { return row_digest_sum_function(widest_set()); }

}  // namespace freshet
