#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_set>
#include <vector>

#include "freshet/row_arena.h"

namespace freshet {

/// The FIDs whose copy downstream may be stale: rows that changed and FIDs that were deleted since they were
/// last exported, and those exported but not yet acknowledged (in flight). Nothing is ever dropped: a FID
/// leaves only by acknowledgement, or by its row's deletion, which makes it a pending delete.
///
/// Invariants: a row is `kTouched` iff it counts in `num_rows()`; a touched row's number stands in the list,
/// once; a number in the list may be stale (its row no longer touched) and is skipped; a FID in `deleted` has
/// no row.
///
/// Memory: 4 bytes a touched row, some 40 a pending delete, 8 a FID in flight. Not thread safe.
class TouchedSet {
 public:
  explicit TouchedSet(RowArena& rows) : rows_(rows) {}

  /// Marks a live row touched and forgets a pending delete of its FID. Strong guarantee.
  void touch(std::uint32_t row) {
    std::uint8_t& state = rows_.state(row);
    if ((state & kTouched) == 0) touch_first_time(row);
  }

  /// Marks an absent FID as a pending delete. Strong guarantee.
  void add_deleted(std::uint64_t fid) { deleted_.insert(fid); }

  bool is_deleted(std::uint64_t fid) const { return !deleted_.empty() && deleted_.contains(fid); }

  /// To be called before a row is released.
  void forget_row(std::uint32_t row) noexcept {
    std::uint8_t& state = rows_.state(row);
    if ((state & kTouched) != 0) --num_rows_;
    state &= static_cast<std::uint8_t>(~(kTouched | kInFlight));
  }

  std::size_t num_rows() const noexcept { return num_rows_; }
  std::size_t num_deleted() const noexcept { return deleted_.size(); }
  const std::unordered_set<std::uint64_t>& deleted() const noexcept { return deleted_; }
  const std::vector<std::uint64_t>& in_flight() const noexcept { return in_flight_; }

  /// Makes room for `num` more FIDs in flight, after which `take_row` and `take_deleted` do not throw.
  void reserve_in_flight(std::size_t num);

  /// Moves the row touched longest ago to the in-flight set and answers it. Precondition: num_rows() > 0.
  std::uint32_t take_row() noexcept;

  /// Moves one pending delete to the in-flight set and answers it. Precondition: num_deleted() > 0.
  std::uint64_t take_deleted() noexcept;

  /// The in-flight set as it was, now empty.
  void clear_in_flight() noexcept { in_flight_.clear(); }

  /// Forgets everything that is touched, deleted or in flight.
  void clear() noexcept;

  std::size_t memory_bytes() const noexcept;

 private:
  void touch_first_time(std::uint32_t row);

  RowArena& rows_;
  std::deque<std::uint32_t> list_;
  std::size_t num_rows_ = 0;
  std::unordered_set<std::uint64_t> deleted_;
  std::vector<std::uint64_t> in_flight_;
};

}  // namespace freshet
