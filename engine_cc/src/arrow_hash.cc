#include "freshet/arrow_hash.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>

#include "freshet/feature_id.h"

namespace freshet {
namespace {

bool bit_at(const std::uint8_t* bits, std::int64_t at) noexcept { return (bits[at >> 3] >> (at & 7)) & 1; }

/// Calls `fid_at(position in the buffers)` for each valid value.
template <typename FidAt>
void fill(const ArrowArray& array, std::span<std::uint64_t> out, FidAt fid_at) {
  const auto* validity = static_cast<const std::uint8_t*>(array.buffers[0]);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::int64_t at = array.offset + static_cast<std::int64_t>(i);
    out[i] = validity == nullptr || bit_at(validity, at) ? fid_at(at) : 0;
  }
}

template <typename Offset>
void hash_strings(const ArrowArray& array, std::uint16_t slot, std::span<std::uint64_t> out) {
  const auto* offsets = static_cast<const Offset*>(array.buffers[1]);
  const auto* bytes = static_cast<const char*>(array.buffers[2]);
  fill(array, out, [=](std::int64_t at) {
    const auto size = static_cast<std::size_t>(offsets[at + 1] - offsets[at]);
    return fid_of_string(size == 0 ? std::string_view() : std::string_view(bytes + offsets[at], size), slot);
  });
}

/// A string view is 16 bytes: size, then the bytes themselves when there are at most 12, otherwise a prefix
/// of 4, the number of a data buffer and an offset in it.
std::string_view view_at(const ArrowArray& array, std::int64_t at) noexcept {
  const char* const view = static_cast<const char*>(array.buffers[1]) + 16 * at;
  std::int32_t words[4];
  std::memcpy(words, view, sizeof words);
  const auto size = static_cast<std::size_t>(words[0]);
  if (size <= 12) return {view + 4, size};
  return {static_cast<const char*>(array.buffers[2 + words[2]]) + words[3], size};
}

template <typename Integer>
void hash_integers(const ArrowArray& array, std::uint16_t slot, std::span<std::uint64_t> out) {
  const auto* values = static_cast<const Integer*>(array.buffers[1]);
  fill(array, out,
       [=](std::int64_t at) { return fid_of_integer(static_cast<std::int64_t>(values[at]), slot); });
}

void hash_booleans(const ArrowArray& array, std::uint16_t slot, std::span<std::uint64_t> out) {
  const auto* values = static_cast<const std::uint8_t*>(array.buffers[1]);
  fill(array, out, [=](std::int64_t at) { return fid_of_integer(bit_at(values, at) ? 1 : 0, slot); });
}

void hash_string_views(const ArrowArray& array, std::uint16_t slot, std::span<std::uint64_t> out) {
  fill(array, out, [&](std::int64_t at) { return fid_of_string(view_at(array, at), slot); });
}

void hash_nulls(const ArrowArray&, std::uint16_t, std::span<std::uint64_t> out) {
  std::fill(out.begin(), out.end(), 0);
}

struct Hasher {
  std::string_view format;
  void (*hash)(const ArrowArray& array, std::uint16_t slot, std::span<std::uint64_t> out);
};

constexpr Hasher kHashers[] = {
    {"u", hash_strings<std::int32_t>},
    {"U", hash_strings<std::int64_t>},
    {"vu", hash_string_views},
    {"b", hash_booleans},
    {"c", hash_integers<std::int8_t>},
    {"C", hash_integers<std::uint8_t>},
    {"s", hash_integers<std::int16_t>},
    {"S", hash_integers<std::uint16_t>},
    {"i", hash_integers<std::int32_t>},
    {"I", hash_integers<std::uint32_t>},
    {"l", hash_integers<std::int64_t>},
    {"L", hash_integers<std::uint64_t>},
    {"n", hash_nulls},
};

}  // namespace

void hash_arrow_array(const ArrowSchema& schema, const ArrowArray& array, std::uint16_t slot,
                      std::span<std::uint64_t> out) {
  if (schema.release == nullptr || array.release == nullptr) {
    throw std::invalid_argument("the Arrow array was already released");
  }
  if (array.length < 0 || out.size() != static_cast<std::size_t>(array.length)) {
    throw std::invalid_argument("out must have one element per value of the Arrow array");
  }
  const std::string_view format = schema.format;
  const auto* const hasher = std::find_if(std::begin(kHashers), std::end(kHashers),
                                          [&](const Hasher& known) { return known.format == format; });
  if (hasher == std::end(kHashers) || schema.dictionary != nullptr) {
    std::string message = "FIDs are made of string, integer and boolean arrays; received the Arrow format '";
    message += format;
    message += schema.dictionary != nullptr ? "' (dictionary-encoded: decode it first)" : "'";
    throw UnsupportedArrowType(message);
  }
  if (!out.empty()) hasher->hash(array, slot, out);  // an empty array may come without buffers
}

}  // namespace freshet
