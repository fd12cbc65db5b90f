#pragma once

#include <cstddef>
#include <cstdint>

#include "freshet/instruction_set.h"

namespace freshet {

/// One row's term of a table's digest: a 64-bit function of its FID and the bytes of its encoded vector. The
/// digest is the sum of the terms modulo 2^64, so it depends on no order, and a change is the new term minus
/// the old.
///
/// Definition, fixed by the golden values in the tests. The bytes are padded with zeros to 64-bit words,
/// little endian, and cut into chunks of at most 2048 words. NH (Black et al., "UMAC", CRYPTO 1999, with its
/// Toeplitz shift) is taken of each chunk twice, over 32-bit halves and constant keys k, the second time with
/// the keys 8 words further on:
///
///   nh_s = sum over words w of (low(w) + k[2(w+s)]) · (high(w) + k[2(w+s) + 1]), s = 0 and 8,
///
/// the two sums modulo 2^32, their product and nh_s modulo 2^64.
///
/// The term starts as mix64(fid xor a constant), and each chunk replaces it by mix64 of the two halves,
/// xored, of the 128-bit product (term + nh_0) · (rotl(term, 32) + nh_8 + num_bytes), num_bytes being the
/// size of the whole row. A row of no bytes counts as one empty chunk.
///
/// Odds: for two different rows of one size up to 16 KiB that were chosen without regard to the keys, both NH
/// agree with a probability of at most 2^-64 (proven, for random keys), and always differ when the rows
/// differ in no more than one 32-bit half. Folding two words into one agrees by chance with about 2^-64 more
/// (as random functions do; mix64 and the product are taken for one, not proven). So two tables that differ
/// in any number of rows have equal digests with odds of about 1 in 2^63. The keys are in the source: this
/// finds faults, and does not stop an adversary who can choose vectors.
///
/// The bytes need no alignment. Reentrant, no allocation, O(num_bytes).
std::uint64_t row_digest(std::uint64_t fid, const std::byte* encoded, std::size_t num_bytes) noexcept;

using RowDigestFn = std::uint64_t (*)(std::uint64_t fid, const std::byte* encoded,
                                      std::size_t num_bytes) noexcept;

/// `row_digest` as chosen for this processor: for loops over rows.
RowDigestFn row_digest_function() noexcept;

/// The implementation for `set`, which must run here.
RowDigestFn row_digest_function(InstructionSet set) noexcept;

/// The sum modulo 2^64 of the terms of rows of one size; `rows[i]` are the bytes of row i. With AVX-512, eight rows of whole
/// cache lines at a time: a quarter of the time.
using RowDigestSumFn = std::uint64_t (*)(const std::uint64_t* fids, const std::byte* const* rows,
                                         std::size_t num_rows, std::size_t num_bytes) noexcept;
RowDigestSumFn row_digest_sum_function() noexcept;
RowDigestSumFn row_digest_sum_function(InstructionSet set) noexcept;

}  // namespace freshet
