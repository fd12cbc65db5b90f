#include "freshet/row_codec.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>
#include <type_traits>

#include "freshet/dispatch.h"

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
  // A half's subnormals are the multiples of 2^-24, and so are the floats from 0.5 to 1: adding 0.5 rounds to them.
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
  const std::uint32_t subnormal = bits_of(static_cast<float>(static_cast<std::int32_t>(magnitude)) * 0x1p-24F);
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

#ifdef FRESHET_X86_CODEC

#define FRESHET_F16C __attribute__((target("avx2,f16c")))

FRESHET_F16C inline void encode_8_halves(const float* vector, std::byte* out) noexcept {
  const __m256 limit = _mm256_set1_ps(65504.0F);
  // Of a NaN and a number these two give their second argument, so that a NaN passes.
  const __m256 low = _mm256_min_ps(limit, _mm256_loadu_ps(vector));
  const __m256 clamped = _mm256_max_ps(_mm256_set1_ps(-65504.0F), low);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out),
                   _mm256_cvtps_ph(clamped, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

FRESHET_F16C inline void decode_8_halves(const std::byte* in, float* out) noexcept {
  _mm256_storeu_ps(out, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in))));
}

/// The last 8 elements are done again where dim is no multiple of 8; below 8 they go through a buffer.
FRESHET_F16C void encode_float16_f16c(const float* vector, std::uint32_t dim, std::byte* out) noexcept {
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

FRESHET_F16C void decode_float16_f16c(const std::byte* in, std::uint32_t dim, float* out) noexcept {
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

#endif

/// The magnitude an element counts with, as bits: their order as integers is their order as floats.
std::uint32_t int8_magnitude(float value) noexcept {
  constexpr std::uint32_t kLargest = 0x7F7FFFFEU;
  const std::uint32_t magnitude = bits_of(value) & ~kSign;
  return magnitude > kInfinity ? 0U : std::min(magnitude, kLargest);
}

constexpr std::uint32_t kBlock = 16;

/// Calls `block(first element, constant 16)` for whole blocks, then `block(first element, how many are left)`: a loop of
/// constant length becomes vectors at once, where one of `dim` would be made for rows much longer than they are.
template <typename Block>
[[gnu::always_inline]] inline void for_each_block(std::uint32_t dim, Block block) noexcept {
  std::uint32_t i = 0;
  for (; i + kBlock <= dim; i += kBlock) block(i, std::integral_constant<std::uint32_t, kBlock>());
  if (i < dim) block(i, dim - i);
}

[[gnu::always_inline]] inline std::uint32_t largest_magnitude(const float* vector, std::uint32_t dim) noexcept {
  std::uint32_t largest[kBlock] = {};
  for_each_block(dim, [&](std::uint32_t i, auto num_elements) {
    for (std::uint32_t j = 0; j < num_elements; ++j) largest[j] = std::max(largest[j], int8_magnitude(vector[i + j]));
  });
  return *std::max_element(std::begin(largest), std::end(largest));
}

FRESHET_CLONES void encode_int8(const float* __restrict vector, std::uint32_t dim, std::byte* __restrict out) noexcept {
  constexpr std::uint32_t kSmallest = 0x04000000U;  // 2^-119
  const std::uint32_t largest = largest_magnitude(vector, dim);
  if (largest < kSmallest) {
    std::memset(out, 0, dim + sizeof(float));
    return;
  }
  const float scale = float_of(largest) / 127.0F;
  for_each_block(dim, [&](std::uint32_t i, auto num_elements) {
    std::uint32_t rounded[kBlock];
    for (std::uint32_t j = 0; j < num_elements; ++j) {
      const float element = float_of(int8_magnitude(vector[i + j]) | (bits_of(vector[i + j]) & kSign));
      // From 2^23 to 2^24 the floats are the integers: adding 1.5 · 2^23 rounds, and leaves the value in the low byte.
      rounded[j] = bits_of(element / scale + 0x1.8p23F);
    }
    for (std::uint32_t j = 0; j < num_elements; ++j) out[i + j] = static_cast<std::byte>(rounded[j] & 0xFFU);
  });
  std::memcpy(out + dim, &scale, sizeof scale);
}

FRESHET_CLONES void decode_int8(const std::byte* __restrict in, std::uint32_t dim, float* __restrict out) noexcept {
  float scale;
  std::memcpy(&scale, in + dim, sizeof scale);
  for_each_block(dim, [&](std::uint32_t i, auto num_elements) {
    for (std::uint32_t j = 0; j < num_elements; ++j) {
      out[i + j] = static_cast<float>(static_cast<std::int8_t>(std::to_integer<std::uint8_t>(in[i + j]))) * scale;
    }
  });
}

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
  if (precision == Precision::kInt8) return encode_int8;
#ifdef FRESHET_X86_CODEC
  if (set >= InstructionSet::kAvx2) return encode_float16_f16c;
#endif
  return encode_float16;
}

DecodeFn decoder(Precision precision, [[maybe_unused]] InstructionSet set) noexcept {
  if (precision == Precision::kFloat32) return decode_float32;
  if (precision == Precision::kInt8) return decode_int8;
#ifdef FRESHET_X86_CODEC
  if (set >= InstructionSet::kAvx2) return decode_float16_f16c;
#endif
  return decode_float16;
}

EncodeFn encoder(Precision precision) noexcept { return encoder(precision, widest_set()); }
DecodeFn decoder(Precision precision) noexcept { return decoder(precision, widest_set()); }

void encode(Precision precision, const float* vector, std::uint32_t dim, std::byte* out) noexcept {
  static const EncodeFn to_float16 = encoder(Precision::kFloat16);
  (precision == Precision::kFloat16 ? to_float16 : encoder(precision, InstructionSet::kBaseline))(vector, dim, out);
}

void decode(Precision precision, const std::byte* in, std::uint32_t dim, float* out) noexcept {
  static const DecodeFn from_float16 = decoder(Precision::kFloat16);
  (precision == Precision::kFloat16 ? from_float16 : decoder(precision, InstructionSet::kBaseline))(in, dim, out);
}

}  // namespace freshet
