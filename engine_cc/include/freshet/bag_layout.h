#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace freshet {

/// One slot's values as an encoder gives them: row r has fids[offsets[r]] .. fids[offsets[r + 1] - 1].
struct SlotColumn {
  std::span<const std::uint64_t> fids;
  std::span<const std::int32_t> offsets;
  std::uint16_t number = 0;
};

/// Where the values of some slots go, row by row and within a row slot by slot. Every pointer has room for all values;
/// `splits` for one more than there are bags.
struct LaidOut {
  std::uint64_t* fids;
  std::uint16_t* slots;
  std::uint32_t* seen_at_s;  // null: nobody asks
  std::int64_t* splits;
};

/// Throws std::invalid_argument, before anything is written, when slots have different numbers of rows, offsets do not begin
/// with 0, decrease, or end elsewhere than the values, or `seen_at_s` (of each row) is neither empty nor of as many.
void check_layout(std::span<const SlotColumn> slots, std::span<const std::uint32_t> seen_at_s);

/// Writes what `check_layout` has let pass: bag r * slots.size() + s has the values of row r in slot s.
void lay_out(std::span<const SlotColumn> slots, std::span<const std::uint32_t> seen_at_s,
             LaidOut out) noexcept;

}  // namespace freshet
