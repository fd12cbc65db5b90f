#pragma once

#include <cstddef>
#include <cstdint>

#include "freshet/instruction_set.h"

namespace freshet {

/// How a vector is stored in a serving table, a delta and a digest.
///
///   kFloat32  4·dim bytes    the vector as it is
///   kFloat16  2·dim bytes    IEEE 754 binary16, each element rounded to nearest, ties to even
///   kInt8     dim + 4 bytes  dim int8 values, then their scale as a float32; an element is value · scale
///
/// No padding, little endian, no alignment asked of anything. The same vector gives the same bytes, and the
/// same bytes the same vector, on every instruction set and whether or not the thread flushes subnormals to
/// zero.
///
/// float16 saturates: a magnitude above 65504, infinity included, becomes 65504. int8 is symmetric: values of
/// -127 .. 127, ties to even, and a scale of max|element| / 127, so that an element is off by at most half a
/// scale. A vector whose largest magnitude is below 2^-118 has values and scale 0: with a smaller scale,
/// elements that some threads flush to zero would count.
///
/// Elements that are not finite are a table's business to refuse, and well defined here: a NaN stays a NaN in
/// float16 and becomes 0 in int8, where infinity and the largest float count as the float before that (127
/// times its scale is still finite).
enum class Precision : std::uint8_t { kFloat32, kFloat16, kInt8 };

/// The bytes of one encoded vector of `dim` elements.
std::size_t encoded_bytes(Precision precision, std::uint32_t dim) noexcept;

/// Writes the `encoded_bytes(precision, dim)` bytes of `vector`, float[dim], to `out`. The two must not
/// overlap.
void encode(Precision precision, const float* vector, std::uint32_t dim, std::byte* out) noexcept;

/// Writes the vector that `in` encodes to `out`, float[dim]. The two must not overlap.
void decode(Precision precision, const std::byte* in, std::uint32_t dim, float* out) noexcept;

using EncodeFn = void (*)(const float* vector, std::uint32_t dim, std::byte* out) noexcept;
using DecodeFn = void (*)(const std::byte* in, std::uint32_t dim, float* out) noexcept;

/// `encode` and `decode` of one precision, as chosen for this processor: for loops over rows.
EncodeFn encoder(Precision precision) noexcept;
DecodeFn decoder(Precision precision) noexcept;

/// The implementation for `set`, which must run here.
EncodeFn encoder(Precision precision, InstructionSet set) noexcept;
DecodeFn decoder(Precision precision, InstructionSet set) noexcept;

}  // namespace freshet
