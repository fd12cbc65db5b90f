#include "freshet/row_digest.h"

#include <algorithm>

#include "row_digest_rule.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define FRESHET_X86_DIGEST 1
#endif

namespace freshet {
namespace {

using namespace digest_rule;

using NhFn = Nh (*)(const std::byte* chunk, std::size_t num_bytes) noexcept;

/// A row of more than one chunk: apart, so that the usual row pays nothing for it.
[[gnu::noinline]] std::uint64_t digest_of_long_row(std::uint64_t fid, const std::byte* encoded,
                                                   std::size_t num_bytes, NhFn nh_of_chunk) noexcept {
  std::uint64_t term = first_term(fid);
  for (std::size_t at = 0; at < num_bytes; at += kChunkBytes) {
    term = fold(term, nh_of_chunk(encoded + at, std::min(num_bytes - at, kChunkBytes)), num_bytes);
  }
  return term;
}

inline Nh nh_of_chunk_baseline(const std::byte* chunk, std::size_t num_bytes) noexcept {
  Nh nh;
  add_words(chunk, num_bytes, 0, nh);
  return nh;
}

std::uint64_t row_digest_baseline(std::uint64_t fid, const std::byte* encoded,
                                  std::size_t num_bytes) noexcept {
  if (num_bytes > kChunkBytes) return digest_of_long_row(fid, encoded, num_bytes, nh_of_chunk_baseline);
  return fold(first_term(fid), nh_of_chunk_baseline(encoded, num_bytes), num_bytes);
}

#ifdef FRESHET_X86_DIGEST

#define FRESHET_AVX2 __attribute__((target("avx2")))
#define FRESHET_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))

/// A vector of sums, added up: even lanes of the pairs belong to the first NH, odd ones to the second.
FRESHET_AVX2 inline Nh pair_of(__m256i sums) noexcept {
  const __m128i pair = _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  return {static_cast<std::uint64_t>(_mm_cvtsi128_si64(pair)),
          static_cast<std::uint64_t>(_mm_extract_epi64(pair, 1))};
}

FRESHET_AVX2 inline __m256i products_4(__m256i words, std::size_t key) noexcept {
  const __m256i keys = _mm256_load_si256(reinterpret_cast<const __m256i*>(kKeys.data() + key));
  const __m256i keyed = _mm256_add_epi32(words, keys);
  return _mm256_mul_epu32(keyed, _mm256_srli_epi64(keyed, 32));
}

FRESHET_AVX2 inline Nh nh_of_chunk_avx2(const std::byte* chunk, std::size_t num_bytes) noexcept {
  __m256i first = _mm256_setzero_si256();
  __m256i second = first;
  std::size_t word = 0;
  for (; kWordBytes * (word + 4) <= num_bytes; word += 4) {
    const __m256i words = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(chunk + kWordBytes * word));
    first = _mm256_add_epi64(first, products_4(words, word));
    second = _mm256_add_epi64(second, products_4(words, word + kShiftWords));
  }
  Nh nh =
      pair_of(_mm256_add_epi64(_mm256_unpacklo_epi64(first, second), _mm256_unpackhi_epi64(first, second)));
  add_words(chunk, num_bytes, word, nh);
  return nh;
}

FRESHET_AVX2 std::uint64_t row_digest_avx2(std::uint64_t fid, const std::byte* encoded,
                                           std::size_t num_bytes) noexcept {
  if (num_bytes > kChunkBytes) return digest_of_long_row(fid, encoded, num_bytes, nh_of_chunk_avx2);
  return fold(first_term(fid), nh_of_chunk_avx2(encoded, num_bytes), num_bytes);
}

// The masked forms with every lane on: they cost nothing, and g++ 12 takes the plain ones for uses of
// uninitialised vectors.
constexpr __mmask8 kEvery = 0xFF;

FRESHET_AVX512 inline __m512i products_8(__m512i words, std::size_t key, __mmask8 whole) noexcept {
  const __m512i keyed = _mm512_add_epi32(words, _mm512_load_si512(kKeys.data() + key));
  return _mm512_maskz_mul_epu32(whole, keyed, _mm512_maskz_srli_epi64(kEvery, keyed, 32));
}

FRESHET_AVX512 inline Nh nh_of_chunk_avx512(const std::byte* chunk, std::size_t num_bytes) noexcept {
  constexpr std::size_t kVectorBytes = 64;
  __m512i first = _mm512_setzero_si512();
  __m512i second = first;
  std::size_t word = 0;
  for (; kWordBytes * word + kVectorBytes <= num_bytes; word += 8) {
    const __m512i words = _mm512_loadu_si512(chunk + kWordBytes * word);
    first = _mm512_add_epi64(first, products_8(words, word, kEvery));
    second = _mm512_add_epi64(second, products_8(words, word + kShiftWords, kEvery));
  }
  if (const std::size_t rest = num_bytes - kWordBytes * word; rest != 0) {
    const auto whole = static_cast<__mmask8>((1U << ((rest + kWordBytes - 1) / kWordBytes)) - 1U);
    const __m512i words = _mm512_maskz_loadu_epi8((std::uint64_t{1} << rest) - 1, chunk + kWordBytes * word);
    first = _mm512_add_epi64(first, products_8(words, word, whole));
    second = _mm512_add_epi64(second, products_8(words, word + kShiftWords, whole));
  }
  const __m512i pairs = _mm512_add_epi64(_mm512_maskz_unpacklo_epi64(kEvery, first, second),
                                         _mm512_maskz_unpackhi_epi64(kEvery, first, second));
  return pair_of(_mm256_add_epi64(_mm512_maskz_extracti64x4_epi64(kEvery, pairs, 0),
                                  _mm512_maskz_extracti64x4_epi64(kEvery, pairs, 1)));
}

FRESHET_AVX512 std::uint64_t row_digest_avx512(std::uint64_t fid, const std::byte* encoded,
                                               std::size_t num_bytes) noexcept {
  if (num_bytes > kChunkBytes) return digest_of_long_row(fid, encoded, num_bytes, nh_of_chunk_avx512);
  return fold(first_term(fid), nh_of_chunk_avx512(encoded, num_bytes), num_bytes);
}

#endif

}  // namespace

RowDigestFn row_digest_function([[maybe_unused]] InstructionSet set) noexcept {
#ifdef FRESHET_X86_DIGEST
  if (set == InstructionSet::kAvx512) return row_digest_avx512;
  if (set == InstructionSet::kAvx2) return row_digest_avx2;
#endif
  return row_digest_baseline;
}

RowDigestFn row_digest_function() noexcept { return row_digest_function(widest_set()); }

std::uint64_t row_digest(std::uint64_t fid, const std::byte* encoded, std::size_t num_bytes) noexcept {
  static const RowDigestFn chosen = row_digest_function();
  return chosen(fid, encoded, num_bytes);
}

}  // namespace freshet
