// A row's bytes follow the definition in row_codec.h, and are the same on every instruction set.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "freshet/row_codec.h"

#ifdef __SSE2__
#include <xmmintrin.h>
#endif

#include "check.h"

using namespace freshet;

namespace {

using Floats = std::vector<float>;
using Bytes = std::vector<std::byte>;

constexpr std::array kPrecisions = {Precision::kFloat32, Precision::kFloat16, Precision::kInt8};
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kLargest = std::numeric_limits<float>::max();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<InstructionSet> sets_here() {
  std::vector<InstructionSet> sets;
  for (const InstructionSet set :
       {InstructionSet::kBaseline, InstructionSet::kAvx2, InstructionSet::kAvx512}) {
    if (runs_here(set)) sets.push_back(set);
  }
  return sets;
}

std::uint32_t size_of(const Floats& vector) { return static_cast<std::uint32_t>(vector.size()); }

Bytes encoded(Precision precision, const Floats& vector, InstructionSet set) {
  Bytes bytes(encoded_bytes(precision, size_of(vector)));
  encoder(precision, set)(vector.data(), size_of(vector), bytes.data());
  return bytes;
}

Floats decoded(Precision precision, const Bytes& bytes, std::uint32_t dim, InstructionSet set) {
  Floats vector(dim);
  decoder(precision, set)(bytes.data(), dim, vector.data());
  return vector;
}

bool same_bits(const Floats& a, const Floats& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), sizeof(float) * a.size()) == 0;
}

/// Random bit patterns: every exponent, subnormals, infinities and NaNs.
Floats any_floats(std::size_t size, std::uint32_t seed) {
  std::mt19937 random(seed);
  Floats floats(size);
  for (float& value : floats) value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
  return floats;
}

void test_sizes_have_no_padding() {
  CHECK(encoded_bytes(Precision::kFloat32, 3) == 12);
  CHECK(encoded_bytes(Precision::kFloat16, 3) == 6);
  CHECK(encoded_bytes(Precision::kInt8, 3) == 7);
}

void test_float32_is_the_vector_itself() {
  const Floats vector = any_floats(37, 1);
  const Bytes bytes = encoded(Precision::kFloat32, vector, widest_set());
  CHECK(std::memcmp(bytes.data(), vector.data(), bytes.size()) == 0);
  CHECK(same_bits(decoded(Precision::kFloat32, bytes, 37, widest_set()), vector));
}

/// The value of a finite half, from the definition of binary16.
double value_of_half(std::uint32_t half) {
  const int exponent = static_cast<int>(half >> 10 & 31U);
  const double fraction = half & 0x3FFU;
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024.0 + fraction, exponent - 25);
  return (half & 0x8000U) != 0 ? -magnitude : magnitude;
}

/// The nearest half to a float, ties to even, computed in doubles, where every step is exact.
double rounded_to_half(float value) {
  const double magnitude = std::fabs(static_cast<double>(value));
  const int exponent = magnitude < 0x1p-14 ? -24 : std::ilogb(magnitude) - 10;
  const double rounded = std::ldexp(std::nearbyint(std::ldexp(magnitude, -exponent)), exponent);
  return std::copysign(std::min(rounded, 65504.0), static_cast<double>(value));
}

Bytes bytes_of_halves(const std::vector<std::uint16_t>& halves) {
  Bytes bytes(2 * halves.size());
  std::memcpy(bytes.data(), halves.data(), bytes.size());
  return bytes;
}

void test_every_half_decodes_to_its_value_and_back() {
  std::vector<std::uint16_t> halves(65'536);
  for (std::uint32_t half = 0; half < 65'536; ++half) halves[half] = static_cast<std::uint16_t>(half);
  const Bytes bytes = bytes_of_halves(halves);
  const Floats baseline = decoded(Precision::kFloat16, bytes, 65'536, InstructionSet::kBaseline);
  for (std::uint32_t half = 0; half < 65'536; ++half) {
    const std::uint32_t magnitude = half & 0x7FFFU;
    if (magnitude > 0x7C00U) {
      CHECK(std::isnan(baseline[half]));
    } else if (magnitude == 0x7C00U) {
      CHECK(std::isinf(baseline[half]));
    } else {
      CHECK(static_cast<double>(baseline[half]) == value_of_half(half));
    }
    CHECK(std::signbit(baseline[half]) == (half >= 0x8000U));
  }
  for (const InstructionSet set : sets_here()) {
    CHECK(same_bits(decoded(Precision::kFloat16, bytes, 65'536, set), baseline));
    const Bytes again = encoded(Precision::kFloat16, baseline, set);
    for (std::uint32_t half = 0; half < 65'536; ++half) {
      if ((half & 0x7FFFU) < 0x7C00U) CHECK(std::memcmp(&again[2 * half], &bytes[2 * half], 2) == 0);
    }
  }
}

/// Around each half: itself, the tie above it, and the floats beside both, which is where rounding goes
/// wrong.
Floats floats_around_halves() {
  Floats floats;
  for (std::uint32_t half = 0; half < 0x7C00U; ++half) {
    const auto value = static_cast<float>(value_of_half(half));
    const auto tie = static_cast<float>((value_of_half(half) + value_of_half(half + 1)) / 2.0);
    for (const float centre : {value, tie}) {
      for (const float beside :
           {std::nextafter(centre, -kInfinity), centre, std::nextafter(centre, kInfinity)}) {
        floats.push_back(beside);
        floats.push_back(-beside);
      }
    }
  }
  return floats;
}

void check_halves_of(const Floats& vector) {
  const Bytes baseline = encoded(Precision::kFloat16, vector, InstructionSet::kBaseline);
  const Floats back = decoded(Precision::kFloat16, baseline, size_of(vector), InstructionSet::kBaseline);
  for (std::size_t i = 0; i < vector.size(); ++i) {
    if (std::isnan(vector[i])) {
      CHECK(std::isnan(back[i]));
    } else {
      CHECK(static_cast<double>(back[i]) == rounded_to_half(vector[i]));
    }
    CHECK(std::signbit(back[i]) == std::signbit(vector[i]));
  }
  for (const InstructionSet set : sets_here()) CHECK(encoded(Precision::kFloat16, vector, set) == baseline);
}

void test_float16_rounds_to_nearest_even_on_every_set() {
  check_halves_of(floats_around_halves());
  check_halves_of(any_floats(1'000'000, 2));
  std::mt19937 random(3);
  Floats near_one(200'000);
  std::normal_distribution<float> normal;
  for (float& value : near_one) value = normal(random);
  check_halves_of(near_one);
}

void test_float16_saturates() {
  const Floats vector = {65504.0F,  65519.0F,   65520.0F,  1e9F, kLargest,
                         kInfinity, -kInfinity, -65520.0F, kNan};
  const Bytes largest =
      bytes_of_halves({0x7BFF, 0x7BFF, 0x7BFF, 0x7BFF, 0x7BFF, 0x7BFF, 0xFBFF, 0xFBFF, 0x7E00});
  for (const InstructionSet set : sets_here()) CHECK(encoded(Precision::kFloat16, vector, set) == largest);
}

void test_float16_by_hand() {
  const Floats vector = {1.0F, -2.0F, 0.1F, 0x1p-24F, 0x1p-25F, 0x1.8p-25F, -0.0F, 2049.0F, 2051.0F};
  const Bytes bytes =
      bytes_of_halves({0x3C00, 0xC000, 0x2E66, 0x0001, 0x0000, 0x0001, 0x8000, 0x6800, 0x6802});
  for (const InstructionSet set : sets_here()) CHECK(encoded(Precision::kFloat16, vector, set) == bytes);
}

Bytes bytes_of_int8(const std::vector<int>& values, float scale) {
  Bytes bytes(values.size() + sizeof scale);
  for (std::size_t i = 0; i < values.size(); ++i) bytes[i] = static_cast<std::byte>(values[i] & 0xFF);
  std::memcpy(bytes.data() + values.size(), &scale, sizeof scale);
  return bytes;
}

void test_int8_by_hand() {
  const Floats vector = {0.5F, 1.5F, 2.5F, -0.5F, -1.5F, 126.5F, -127.0F, 3.49F, -3.51F, 0.0F, -0.0F};
  const std::vector<int> values = {0, 2, 2, 0, -2, 126, -127, 3, -4, 0, 0};
  const Floats back(values.begin(), values.end());
  for (const InstructionSet set : sets_here()) {
    CHECK(encoded(Precision::kInt8, vector, set) == bytes_of_int8(values, 1.0F));
    CHECK(decoded(Precision::kInt8, bytes_of_int8(values, 1.0F), size_of(vector), set) == back);
    CHECK(encoded(Precision::kInt8, {0.0F, 254.0F, 3.0F}, set) == bytes_of_int8({0, 127, 2}, 2.0F));
  }
}

void test_int8_is_off_by_half_a_scale_at_most() {
  std::mt19937 random(4);
  std::normal_distribution<double> normal;
  for (int exponent = -110; exponent <= 120; ++exponent) {
    Floats vector(33);
    double largest = 0;
    for (float& value : vector) {
      value = static_cast<float>(std::ldexp(normal(random), exponent));
      largest = std::max(largest, std::fabs(static_cast<double>(value)));
    }
    const Bytes bytes = encoded(Precision::kInt8, vector, widest_set());
    const Floats back = decoded(Precision::kInt8, bytes, 33, widest_set());
    for (std::size_t i = 0; i < vector.size(); ++i) {
      const double error = std::fabs(static_cast<double>(back[i]) - static_cast<double>(vector[i]));
      CHECK(error <= 0.50001 * largest / 127.0);
    }
  }
}

void test_int8_of_extremes() {
  for (const InstructionSet set : sets_here()) {
    CHECK(encoded(Precision::kInt8, {0.0F, -0.0F}, set) == bytes_of_int8({0, 0}, 0.0F));
    CHECK(encoded(Precision::kInt8, {0x1.FFFFFEp-119F, 1e-45F}, set) == bytes_of_int8({0, 0}, 0.0F));
    CHECK(encoded(Precision::kInt8, {0x1p-118F, 0.0F}, set) == bytes_of_int8({127, 0}, 0x1p-118F / 127.0F));
    CHECK(encoded(Precision::kInt8, {kNan, 127.0F, -kNan}, set) == bytes_of_int8({0, 127, 0}, 1.0F));
    for (const float huge : {kLargest, kInfinity}) {
      const Bytes bytes = encoded(Precision::kInt8, {huge, -huge, 1.0F}, set);
      const Floats back = decoded(Precision::kInt8, bytes, 3, set);
      CHECK(std::isfinite(back[0]) && back[0] > 0.999F * kLargest && back[1] == -back[0] && back[2] == 0.0F);
    }
  }
}

void test_every_set_writes_the_same_rows_wherever_they_lie() {
  for (std::uint32_t dim = 1; dim <= 70; ++dim) {
    for (const Precision precision : kPrecisions) {
      const Floats vector = any_floats(dim, dim);
      const Bytes expected = encoded(precision, vector, InstructionSet::kBaseline);
      const Floats back = decoded(precision, expected, dim, InstructionSet::kBaseline);
      for (const InstructionSet set : sets_here()) {
        for (std::size_t offset = 0; offset < 3; ++offset) {
          Bytes bytes(offset + expected.size() + 1, std::byte{0x5A});
          encoder(precision, set)(vector.data(), dim, bytes.data() + offset);
          CHECK(std::equal(expected.begin(), expected.end(),
                           bytes.begin() + static_cast<std::ptrdiff_t>(offset)));
          CHECK(bytes.back() == std::byte{0x5A} && (offset == 0 || bytes[offset - 1] == std::byte{0x5A}));
          Floats out(dim + 1, 7.0F);
          decoder(precision, set)(bytes.data() + offset, dim, out.data());
          CHECK(out.back() == 7.0F);
          out.pop_back();
          CHECK(same_bits(out, back));
        }
      }
    }
  }
}

void test_the_calls_without_a_set_agree_with_it() {
  const Floats vector = any_floats(16, 5);
  for (const Precision precision : kPrecisions) {
    const Bytes expected = encoded(precision, vector, InstructionSet::kBaseline);
    Bytes bytes(expected.size());
    encode(precision, vector.data(), 16, bytes.data());
    CHECK(bytes == expected);
    Floats out(16);
    decode(precision, bytes.data(), 16, out.data());
    CHECK(same_bits(out, decoded(precision, expected, 16, InstructionSet::kBaseline)));
  }
}

#ifdef __SSE2__
/// TensorFlow's threads flush subnormals to zero, ours do not: a replica must see what its trainer meant.
void test_flushing_subnormals_changes_nothing() {
  constexpr unsigned kFlushToZeroAndDenormalsAreZero = 0x8040U;
  Floats vector = any_floats(4096, 6);
  for (std::size_t i = 0; i < vector.size(); i += 2) vector[i] = std::ldexp(static_cast<float>(i), -142);
  // An int8 row whose scale is as small as a scale can be, with elements on both sides of the smallest normal
  // float.
  const Floats small = {0x1p-118F, 0x1p-126F, 0x1.FFFFFCp-127F, -0x1.8p-126F, 0x1p-149F};
  for (const Precision precision : kPrecisions) {
    for (const InstructionSet set : sets_here()) {
      for (const Floats& row : {vector, small}) {
        const Bytes bytes = encoded(precision, row, set);
        const Floats back = decoded(precision, bytes, size_of(row), set);
        const unsigned before = _mm_getcsr();
        _mm_setcsr(before | kFlushToZeroAndDenormalsAreZero);
        const Bytes flushed_bytes = encoded(precision, row, set);
        const Floats flushed_back = decoded(precision, bytes, size_of(row), set);
        _mm_setcsr(before);
        CHECK(flushed_bytes == bytes && same_bits(flushed_back, back));
      }
    }
  }
}
#endif

}  // namespace

int main() {
  test_sizes_have_no_padding();
  test_float32_is_the_vector_itself();
  test_every_half_decodes_to_its_value_and_back();
  test_float16_rounds_to_nearest_even_on_every_set();
  test_float16_saturates();
  test_float16_by_hand();
  test_int8_by_hand();
  test_int8_is_off_by_half_a_scale_at_most();
  test_int8_of_extremes();
  test_every_set_writes_the_same_rows_wherever_they_lie();
  test_the_calls_without_a_set_agree_with_it();
#ifdef __SSE2__
  test_flushing_subnormals_changes_nothing();
#endif
}
