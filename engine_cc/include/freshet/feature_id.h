#pragma once

#include <cstdint>
#include <string_view>

#include "freshet/xxh64.h"

namespace freshet {

/// A FID is 64 bits of hash over (slot number, sparse id), fixed for ever by the golden values in the tests:
///
///   string  : XXH64(UTF-8 bytes, seed = slot)
///   integer : XXH64(the value as 8 bytes little endian, two's complement, seed = slot + 2^32)
///
/// The string "5" and the integer 5 are therefore different sparse ids, while 5 has one FID in every integer
/// width. A uint64 at or above 2^63 has the bytes, and so the FID, of the negative int64 it equals modulo
/// 2^64.
///
/// Odds: n ids are expected to make n(n-1)/2 / 2^bits pairs that share a FID. A billion ids give 0.03 pairs
/// at 64 bits; at 48 bits (a slot number packed above a 48-bit hash) they would give 1,776. Rows never
/// collide: two different FIDs always have two rows.
inline std::uint64_t fid_of_string(std::string_view sparse_id, std::uint16_t slot) noexcept {
  return xxh64(sparse_id.data(), sparse_id.size(), slot);
}

inline std::uint64_t fid_of_integer(std::int64_t sparse_id, std::uint16_t slot) noexcept {
  return xxh64(&sparse_id, sizeof sparse_id, (std::uint64_t{1} << 32) + slot);
}

}  // namespace freshet
