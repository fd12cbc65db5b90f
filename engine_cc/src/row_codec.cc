#include "freshet/row_codec.h"

#include <algorithm>
#include <bit>
#include <cstring>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define FRESHET_X86_CODEC 1
#endif

namespace freshet {
namespace {

static_assert(std::endian::native == std::endian::little, "encoded rows are little endian");

constexpr std::uint32_t kSign = 0x80000000U;
constexpr std::uint32_t kInfinity = 0x7F800000U;

std::uint32_t bits_of(float value) noexcept { return std::bit_cast<std::uint32_t>(value); }
float float_of(std::uint32_t bits) noexcept { return std::bit_cast<float>(bits); }

void encode_float32(const float* vector, std::uint32_t dim, std::byte* out) noexcept {
  std::memcpy(out, vector, sizeof(float) * dim);
}

void decode_float32(const std::byte* in, std::uint32_t dim, float* out) noexcept {
  std::memcpy(out, in, sizeof(float) * dim);
}

std::uint16_t half_of(float value) noexcept {
  constexpr std::uint32_t kLargestHalf = 0x477FE000U;         // 65504
  constexpr std::uint32_t kSmallestNormalHalf = 0x38800000U;  // 2^-14
  const std::uint32_t bits = bits_of(value);
  const std::uint32_t sign = (bits & kSign) >> 16;
  const std::uint32_t magnitude = bits & ~kSign;
  const std::uint32_t nan = 0x7E00U | ((magnitude >> 13) & 0x3FFU);
  const std::uint32_t finite = std::min(magnitude, kLargestHalf);
  // A half's subnormals are the multiples of 2^-24, and so are the floats from 0.5 to 1: adding 0.5 rounds to
  // them.
  const std::uint32_t subnormal = bits_of(float_of(finite) + 0.5F) - bits_of(0.5F);
  const std::uint32_t to_even = 0xFFFU + ((finite >> 13) & 1U);
  const std::uint32_t normal = ((finite + to_even) >> 13) - (112U << 10);
  const std::uint32_t number = finite < kSmallestNormalHalf ? subnormal : normal;
  return static_cast<std::uint16_t>(sign | (magnitude > kInfinity ? nan : number));
}

float float_of_half(std::uint16_t half) noexcept {
  const std::uint32_t sign = (half & 0x8000U) << 16;
  const std::uint32_t magnitude = half & 0x7FFFU;
  const std::uint32_t quiet = magnitude > 0x7C00U ? 0x400000U : 0U;
  const std::uint32_t not_finite = kInfinity | quiet | (magnitude << 13);
  const std::uint32_t subnormal =
      bits_of(static_cast<float>(static_cast<std::int32_t>(magnitude)) * 0x1p-24F);
  const std::uint32_t normal = (magnitude << 13) + (112U << 23);
  const std::uint32_t finite = magnitude < 0x400U ? subnormal : normal;
  return float_of(sign | (magnitude >= 0x7C00U ? not_finite : finite));
}

void encode_float16(const float* __restrict vector, std::uint32_t dim, std::byte* __restrict out) noexcept {
  for (std::uint32_t i = 0; i < dim; ++i) {
    const std::uint16_t half = half_of(vector[i]);
    std::memcpy(out + sizeof half * i, &half, sizeof half);
  }
}

void decode_float16(const std::byte* __restrict in, std::uint32_t dim, float* __restrict out) noexcept {
  for (std::uint32_t i = 0; i < dim; ++i) {
    std::uint16_t half;
    std::memcpy(&half, in + sizeof half * i, sizeof half);
    out[i] = float_of_half(half);
  }
}

constexpr std::uint32_t kLargestInt8Bits = 0x7F7FFFFEU;
constexpr std::uint32_t kSmallestInt8Bits = 0x04800000U;  // 2^-118

/// The magnitude an element counts with, as bits: their order as integers is their order as floats.
std::uint32_t int8_magnitude(float value) noexcept {
  const std::uint32_t magnitude = bits_of(value) & ~kSign;
  return magnitude > kInfinity ? 0U : std::min(magnitude, kLargestInt8Bits);
}

/// The scale of a vector, after its values in `out`; 0, with values of 0, for a vector too small to have one.
float write_scale(std::uint32_t largest, std::uint32_t dim, std::byte* out) noexcept {
  const float scale = largest < kSmallestInt8Bits ? 0.0F : float_of(largest) / 127.0F;
  if (largest < kSmallestInt8Bits) std::memset(out, 0, dim);
  std::memcpy(out + dim, &scale, sizeof scale);
  return scale;
}

void encode_int8(const float* __restrict vector, std::uint32_t dim, std::byte* __restrict out) noexcept {
  std::uint32_t largest = 0;
  for (std::uint32_t i = 0; i < dim; ++i) largest = std::max(largest, int8_magnitude(vector[i]));
  const float scale = write_scale(largest, dim, out);
  if (!(scale > 0.0F)) return;
  for (std::uint32_t i = 0; i < dim; ++i) {
    const float element = float_of(int8_magnitude(vector[i]) | (bits_of(vector[i]) & kSign));
    // From 2^23 to 2^24 the floats are the integers: adding 1.5 · 2^23 rounds, and leaves the value in the
    // low byte.
    out[i] = static_cast<std::byte>(bits_of(element / scale + 0x1.8p23F) & 0xFFU);
  }
}

void decode_int8(const std::byte* __restrict in, std::uint32_t dim, float* __restrict out) noexcept {
  float scale;
  std::memcpy(&scale, in + dim, sizeof scale);
  for (std::uint32_t i = 0; i < dim; ++i) {
    out[i] = static_cast<float>(static_cast<std::int8_t>(std::to_integer<std::uint8_t>(in[i]))) * scale;
  }
}

#ifdef FRESHET_X86_CODEC

#define FRESHET_AVX2 __attribute__((target("avx2,f16c")))

FRESHET_AVX2 inline void encode_8_halves(const float* vector, std::byte* out) noexcept {
  const __m256 limit = _mm256_set1_ps(65504.0F);
  // Of a NaN and a number these two give their second argument, so that a NaN passes.
  const __m256 low = _mm256_min_ps(limit, _mm256_loadu_ps(vector));
  const __m256 clamped = _mm256_max_ps(_mm256_set1_ps(-65504.0F), low);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out),
                   _mm256_cvtps_ph(clamped, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

FRESHET_AVX2 inline void decode_8_halves(const std::byte* in, float* out) noexcept {
  _mm256_storeu_ps(out, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in))));
}

/// The last 8 elements are done again where dim is no multiple of 8; below 8 they go through a buffer.
FRESHET_AVX2 void encode_float16_f16c(const float* vector, std::uint32_t dim, std::byte* out) noexcept {
  std::uint32_t i = 0;
  for (; i + 8 <= dim; i += 8) encode_8_halves(vector + i, out + 2 * std::size_t{i});
  if (i == dim) return;
  if (dim > 8) {
    encode_8_halves(vector + (dim - 8), out + 2 * std::size_t{dim - 8});
    return;
  }
  float elements[8] = {};
  std::byte halves[16];
  std::memcpy(elements, vector, sizeof(float) * dim);
  encode_8_halves(elements, halves);
  std::memcpy(out, halves, std::size_t{2} * dim);
}

FRESHET_AVX2 void decode_float16_f16c(const std::byte* in, std::uint32_t dim, float* out) noexcept {
  std::uint32_t i = 0;
  for (; i + 8 <= dim; i += 8) decode_8_halves(in + 2 * std::size_t{i}, out + i);
  if (i == dim) return;
  if (dim > 8) {
    decode_8_halves(in + 2 * std::size_t{dim - 8}, out + (dim - 8));
    return;
  }
  std::byte halves[16] = {};
  float elements[8];
  std::memcpy(halves, in, std::size_t{2} * dim);
  decode_8_halves(halves, elements);
  std::memcpy(out, elements, sizeof(float) * dim);
}

alignas(32) constexpr std::int32_t kLanes[16] = {-1, -1, -1, -1, -1, -1, -1, -1};

/// Up to 8 elements from `vector`, zeros behind them.
FRESHET_AVX2 inline __m256 load_elements(const float* vector, std::uint32_t num_elements) noexcept {
  const std::int32_t* const lanes = kLanes + (8 - std::min(num_elements, 8U));
  return _mm256_maskload_ps(vector, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(lanes)));
}

FRESHET_AVX2 inline __m256i int8_magnitudes(__m256 elements) noexcept {
  const __m256i all_but_sign = _mm256_set1_epi32(static_cast<int>(~kSign));
  const __m256i magnitudes = _mm256_and_si256(_mm256_castps_si256(elements), all_but_sign);
  const __m256i nan = _mm256_cmpgt_epi32(magnitudes, _mm256_set1_epi32(static_cast<int>(kInfinity)));
  return _mm256_andnot_si256(
      nan, _mm256_min_epi32(magnitudes, _mm256_set1_epi32(static_cast<int>(kLargestInt8Bits))));
}

FRESHET_AVX2 inline std::uint32_t largest_of(__m256i lanes) noexcept {
  __m128i most = _mm_max_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0x4E));
  most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0xB1));
  return static_cast<std::uint32_t>(_mm_cvtsi128_si32(most));
}

/// The values of up to 8 elements, one byte each.
FRESHET_AVX2 inline __m128i int8_values(__m256 elements, float scale) noexcept {
  const __m256 sign = _mm256_and_ps(elements, _mm256_set1_ps(-0.0F));
  const __m256 finite = _mm256_or_ps(_mm256_castsi256_ps(int8_magnitudes(elements)), sign);
  const __m256i values = _mm256_cvtps_epi32(_mm256_div_ps(finite, _mm256_set1_ps(scale)));
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(values), _mm256_extracti128_si256(values, 1));
  return _mm_packs_epi16(words, words);
}

FRESHET_AVX2 void encode_int8_avx2(const float* vector, std::uint32_t dim, std::byte* out) noexcept {
  __m256i largest = _mm256_setzero_si256();
  for (std::uint32_t i = 0; i < dim; i += 8) {
    largest = _mm256_max_epi32(largest, int8_magnitudes(load_elements(vector + i, dim - i)));
  }
  const float scale = write_scale(largest_of(largest), dim, out);
  if (!(scale > 0.0F)) return;
  std::uint32_t i = 0;
  for (; i + 8 <= dim; i += 8) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out + i), int8_values(_mm256_loadu_ps(vector + i), scale));
  }
  if (i == dim) return;
  const std::int64_t rest = _mm_cvtsi128_si64(int8_values(load_elements(vector + i, dim - i), scale));
  std::memcpy(out + i, &rest, dim - i);
}

FRESHET_AVX2 void decode_int8_avx2(const std::byte* in, std::uint32_t dim, float* out) noexcept {
  float scale;
  std::memcpy(&scale, in + dim, sizeof scale);
  std::uint32_t i = 0;
  for (; i + 8 <= dim; i += 8) {
    const __m128i values = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(in + i));
    _mm256_storeu_ps(out + i,
                     _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(values)), _mm256_set1_ps(scale)));
  }
  for (; i < dim; ++i) {
    out[i] = static_cast<float>(static_cast<std::int8_t>(std::to_integer<std::uint8_t>(in[i]))) * scale;
  }
}

#endif

}  // namespace

std::size_t encoded_bytes(Precision precision, std::uint32_t dim) noexcept {
  switch (precision) {
    case Precision::kFloat32:
      return std::size_t{4} * dim;
    case Precision::kFloat16:
      return std::size_t{2} * dim;
    case Precision::kInt8:
      break;
  }
  return std::size_t{dim} + sizeof(float);
}

EncodeFn encoder(Precision precision, [[maybe_unused]] InstructionSet set) noexcept {
  if (precision == Precision::kFloat32) return encode_float32;
#ifdef FRESHET_X86_CODEC
  if (set >= InstructionSet::kAvx2) {
    return precision == Precision::kInt8 ? encode_int8_avx2 : encode_float16_f16c;
  }
#endif
  return precision == Precision::kInt8 ? encode_int8 : encode_float16;
}

DecodeFn decoder(Precision precision, [[maybe_unused]] InstructionSet set) noexcept {
  if (precision == Precision::kFloat32) return decode_float32;
#ifdef FRESHET_X86_CODEC
  if (set >= InstructionSet::kAvx2) {
    return precision == Precision::kInt8 ? decode_int8_avx2 : decode_float16_f16c;
  }
#endif
  return precision == Precision::kInt8 ? decode_int8 : decode_float16;
}

EncodeFn encoder(Precision precision) noexcept {
  static const InstructionSet widest = widest_set();
  return encoder(precision, widest);
}

DecodeFn decoder(Precision precision) noexcept {
  static const InstructionSet widest = widest_set();
  return decoder(precision, widest);
}

void encode(Precision precision, const float* vector, std::uint32_t dim, std::byte* out) noexcept {
  encoder(precision)(vector, dim, out);
}

void decode(Precision precision, const std::byte* in, std::uint32_t dim, float* out) noexcept {
  decoder(precision)(in, dim, out);
}

}  // namespace freshet
