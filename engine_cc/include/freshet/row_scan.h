#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "freshet/instruction_set.h"

// The dot product of one vector with every row of many, from rows in a byte a number: a quarter of what floats take from memory, which is
// what such a scan costs by. Each product comes with a bound on how wrong it is, so that the best rows can be chosen from these and
// then known to be the best (engine/retrieval/index/scanned.py).
//
// Rows lie in blocks of kScanBlockRows: for each pair of dimensions the two bytes of every row of the block, so that one register holds one
// sum a row and nothing is added across. The memory is the caller's. All functions are pure: safe beside each other on different rows; a scan
// beside a write may meet some bytes of a row old and some new, and gives that row a score that is neither.
//
// Errors are programming errors here (the binding checks arguments); nothing is thrown or allocated except where said.

namespace freshet {

inline constexpr std::size_t kScanBlockRows = 16;

/// Pairs of dimensions; an odd last one is filled with zeros.
constexpr std::size_t scan_pairs(std::size_t dim) noexcept { return (dim + 1) / 2; }

/// Of one block.
constexpr std::size_t scan_block_bytes(std::size_t dim) noexcept {
  return scan_pairs(dim) * kScanBlockRows * 2;
}

/// Writes `vectors`, float [rows.size()][dim], all finite, into the rows named. A row's scale is a 127th of its largest magnitude.
/// O(rows.size() * dim).
void scan_write(std::span<const std::int32_t> rows, std::span<const float> vectors, std::size_t dim,
                std::span<std::int8_t> packed, std::span<float> scales) noexcept;

/// Products smaller than this may be off by as much: floats end there.
inline constexpr float kScanLeast = 1e-30F;

/// out[r] = the product of row r with `user`, all finite, for every row of the blocks; answers e such that
/// |out[r] - the product of the floats| <= e * scales[r] + kScanLeast. O(rows * dim); allocates once, O(dim): std::bad_alloc leaves `out`
/// as it was. Bits do not depend on `set`, which must run here.
float scan_products(std::span<const std::int8_t> packed, std::span<const float> scales,
                    std::span<const float> user, std::span<float> out, InstructionSet set = widest_set());

/// Rows in bytes beside the same in floats, [rows][dim]: `packed` and `scales` are of whole blocks, which hold at least the rows of
/// `is_present`.
struct ScannedRows {
  std::span<const std::int8_t> packed;
  std::span<const float> scales;
  std::span<const float> vectors;
  std::span<const bool> is_present;
};

struct ScanFound {
  std::int32_t row;
  float score;
};

/// The `num` rows of greatest product with `user`, as floats give it, the greatest first, of equals the lower row; fewer only when there are
/// no more. Only rows that are present and, where it is given, for which `allowed` holds; one beyond it is not allowed. Nothing is missed:
/// every row whose bytes leave it possible is looked at in floats. O(rows * dim); throws std::bad_alloc.
std::vector<ScanFound> scan_best(const ScannedRows& rows, std::span<const float> user,
                                 const std::span<const bool>* allowed, std::size_t num,
                                 InstructionSet set = widest_set());

}  // namespace freshet
